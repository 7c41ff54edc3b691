"""``make lint``: runs every linter, says which complained, and fails if any did."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def tracked(pattern: str) -> list[str]:
    """The files under version control that match."""
    command = ["git", "ls-files", pattern]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()


def shell_scripts() -> list[str]:
    """What is for a shell, by its first line."""
    return [name for name in tracked("deploy/*") + tracked(".ci/*") if b"sh\n" in first_line(name)]


def first_line(name: str) -> bytes:
    """With its end."""
    with (ROOT / name).open("rb") as file:
        return file.readline()


LINTERS: dict[str, list[str]] = {
    "style (ruff check)": ["ruff", "check", "--quiet", "."],
    "format (ruff format)": ["ruff", "format", "--quiet", "--check", "."],
    "types (mypy --strict)": ["mypy", "--no-error-summary"],
    "import contracts": ["lint-imports"],
    "templates (djlint)": ["djlint", "--lint", "--quiet", "templates"],
    "templates (djade)": ["djade", "--check", "--target-version", "5.2", *tracked("templates/*.html")],
    "images (hadolint)": ["hadolint", "--failure-threshold", "info", "Dockerfile"],
    "containers (dclint)": ["python", "scripts/dclint.py", "--max-warnings", "0", "docker-compose.yml"],
    "containers (schema)": [
        *("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")
    ],
    "containers on EC2 (schema)": [
        *("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "deploy/ec2/compose.yml")
    ],
    "EC2 (cfn-lint)": ["cfn-lint", "deploy/cloudformation.yml"],
    "workflows (schema)": [
        *("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
        *tracked(".github/workflows/*.yml"),
    ],
    "dependabot (schema)": [
        "check-jsonschema",
        "--builtin-schema",
        "vendor.dependabot",
        ".github/dependabot.yml",
    ],
    "workflows (zizmor)": ["zizmor", "--offline", "--quiet", "--no-progress", ".github"],
    "scripts (shellcheck)": ["shellcheck", *shell_scripts()],
    "sizes and hosts": ["python", "scripts/check_repository.py"],
}


def main() -> int:
    """Status 1 when a linter complained."""
    failed = []
    for name, (program, *arguments) in LINTERS.items():
        started = time.monotonic()
        command = [str(BIN / program), *arguments]
        result = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        seconds = time.monotonic() - started
        print(f"  {'ok  ' if result.returncode == 0 else 'FAIL'} {name}  {seconds:.1f} s", flush=True)
        if result.returncode:
            failed.append(name)
            print(result.stdout, flush=True)
    if failed:
        print(f"make lint: {len(failed)} of {len(LINTERS)} complained: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
