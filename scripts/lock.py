"""Resolves requirements/*.in into hashed locks that agree with each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
UV = Path(sys.executable).parent / "uv"
OPTIONS = ("--generate-hashes", "--python-version", "3.11", "--quiet", "--no-header")
FOLLOWERS = ("train", "translate", "web")  # parts of dev.lock
GPU = ("train-gpu", "translate-gpu")  # for images on Linux alone: CUDA's wheels exist for no other system
GPU_PLATFORM = "x86_64-manylinux_2_28"


def main(more: list[str]) -> None:
    """dev.lock holds everything, so it is resolved first and the others follow it."""
    for name in ("dev", *FOLLOWERS, *GPU, "uv"):
        follow = ["-c", "dev.lock"] if name in FOLLOWERS + GPU else []
        follow += ["--python-platform", GPU_PLATFORM] if name in GPU else ["--universal"]
        print(f"  requirements/{name}.lock …", flush=True)
        command = [str(UV), "pip", "compile", *OPTIONS, *follow, *more, f"{name}.in", "-o", f"{name}.lock"]
        subprocess.run(command, cwd=REQUIREMENTS, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
