"""Resolves requirements/*.in into hashed locks that agree with each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
UV = Path(sys.executable).parent / "uv"
OPTIONS = ("--universal", "--generate-hashes", "--python-version", "3.11", "--quiet", "--no-header")


def main(more: list[str]) -> None:
    """dev.lock holds everything, so it is resolved first and the others follow it."""
    for name in ("dev", "train", "translate", "web", "uv"):
        follow = ["-c", "dev.lock"] if name in ("train", "translate", "web") else []
        print(f"  requirements/{name}.lock …", flush=True)
        command = [str(UV), "pip", "compile", *OPTIONS, *follow, *more, f"{name}.in", "-o", f"{name}.lock"]
        subprocess.run(command, cwd=REQUIREMENTS, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
