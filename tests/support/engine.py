"""A ``docker`` for the scripts in deploy/ where no engine runs: it keeps what it was asked, and does little.

``compose exec postgres PROGRAM`` runs PostgreSQL's own program against the tests' server. ``compose run``
with the entry point ``python manage.py`` runs that command of this clone; ``--volume`` is its var folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.live import ROOT, clean_environment


class Engine:
    """The program in a folder of its own, and what it was asked."""

    def __init__(self, folder: Path, services: str, **variables: str) -> None:
        """`services` run on this machine; `variables` go to the commands in containers."""
        self.folder = folder
        self._asked = folder / "asked"
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        for name in ("docker", "systemctl"):
            program = bin_folder / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.support.engine {name} "$@"\n')
            program.chmod(0o755)
        self.environment = clean_environment(**variables) | {
            "ENGINE_ASKED": str(self._asked),
            "ENGINE_SERVICES": services,
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

    def run(self, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A script of this clone, to its end."""
        return subprocess.run(
            ["sh", str(ROOT / script), *arguments],
            env=self.environment | variables,
            capture_output=True,
            text=True,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    @property
    def asked(self) -> list[str]:
        """Every command line, without what only asks."""
        lines = self._asked.read_text().splitlines() if self._asked.exists() else []
        return [line for line in lines if " config " not in line]


def main(arguments: list[str]) -> int:
    """Be ``docker`` once."""
    with Path(os.environ["ENGINE_ASKED"]).open("a") as file:
        file.write(" ".join(arguments) + "\n")
    match arguments:
        case ["docker", "compose", "config", "--services"]:
            sys.stdout.write("".join(f"{name}\n" for name in os.environ["ENGINE_SERVICES"].split()))
        case ["docker", "compose", "exec", "-T", "postgres", program, *rest]:
            return subprocess.call([str(Path(os.environ["ENGINE_POSTGRES"]) / program), *rest])
        case ["docker", "compose", "run", *rest] if "--entrypoint" in rest:
            command = rest[rest.index("prepare") + 1 :]
            folder = rest[rest.index("--volume") + 1].partition(":")[0]
            environment = os.environ | {"MAPGAN_VAR_DIR": folder}
            return subprocess.call([sys.executable, "manage.py", *command], env=environment)
        case ["docker", "compose", "run", "--rm", "prepare"]:
            return int(os.environ.get("ENGINE_PREPARE", "0"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
