"""``mapgan``: train, evaluate, export, translate and inspect generators from a shell.

Frameworks are imported inside the commands, so ``mapgan --help`` is quick.
"""

from __future__ import annotations

import click

from mapgan.cli_train import train


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mapgan", prog_name="mapgan")
def main() -> None:
    """Turn map tiles into satellite images and back, with GANs trained here.

    \b
    Examples:
      mapgan train --preset draft --direction map2sat --data maps --out runs/a
      mapgan inspect runs/a --json
    """


main.add_command(train)

if __name__ == "__main__":
    main()
