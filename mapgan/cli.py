"""``mapgan``: check data, train, evaluate, export, translate and inspect generators from a shell.

Frameworks are imported inside the commands, so ``mapgan --help`` is quick.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import click

from mapgan import cli_doctor, cli_evaluate, cli_inspect, cli_serve, cli_sheet, cli_train


def _version() -> str:
    """Of the installed package; a plain checkout has none."""
    try:
        return version("mapgan")
    except PackageNotFoundError:
        return "of a checkout that is not installed"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version=_version(), prog_name="mapgan")
def main() -> None:
    """Turn map tiles into satellite images and back, with GANs trained here.

    \b
    Examples:
      mapgan train --preset draft --direction map2sat --data maps --out runs/a
      mapgan inspect runs/a --json
    """


for command in (
    cli_train.train,
    *cli_evaluate.COMMANDS,
    *cli_inspect.COMMANDS,
    *cli_serve.COMMANDS,
    *cli_doctor.COMMANDS,
    *cli_sheet.COMMANDS,
):
    main.add_command(command)

if __name__ == "__main__":
    main()
