"""Rules that no other linter knows: lengths of modules and of prose's lines, sizes, hosts never named."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES = 400
FILE_BYTES = 12 * 2**20  # a generator's limit, the largest thing kept here
MODULES = (".py", ".js", ".css")
PROSE_COLUMNS = 120
ANY_COLUMNS = ("CHANGELOG.md", "docs/results.md")
"""An entry of the changelog may be one line: many hands add to it at once. Programs write the others."""
FOREIGN = ("static/vendor/", "/migrations/")

# Package registries and content networks. Clients know their registry; a mirror is a setting of the machine;
# pages load nothing from anybody. (Written in halves, so that this file passes its own test.)
HOSTS = tuple(
    "".join(halves)
    for halves in (
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("npmjs", ".org"),
        ("npmjs", ".com"),
        ("deb.deb", "ian.org"),
        ("jsdel", "ivr.net"),
        ("unp", "kg.com"),
        ("cdnjs", ".cloudflare.com"),
        ("fonts.goo", "gleapis.com"),
        ("fonts.gst", "atic.com"),
    )
)
HOST = re.compile("|".join(re.escape(host) for host in HOSTS), re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w/.-])/(?:root|home/\w+)/[\w.]")  # somebody's own machine


def tracked() -> list[str]:
    """Files under version control, and new ones that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def long_prose(lines: list[str]) -> Iterator[int]:
    """Numbers of a document's lines that are too long and could be cut, unlike tables, code and headings."""
    code = generated = False
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text.startswith("```"):
            code = not code
        elif text.startswith("<!-- "):
            generated = not code and "end" not in text.split()
        whole = code or generated or text.startswith(("|", "#", "<!-- ")) or line.startswith("    ")
        words = re.sub(r"^([-*>]|\d+\.) +", "", text)
        if len(line) > PROSE_COLUMNS and not whole and " " in words:
            yield number


def complaints(name: str) -> list[str]:
    """What is wrong with one file."""
    content = (ROOT / name).read_bytes()
    found = []
    if len(content) > FILE_BYTES:
        found.append(f"{name}: {len(content) / 2**20:.1f} MiB, at most {FILE_BYTES / 2**20:.0f}")
    if b"\0" in content[:8192]:
        return found
    lines = content.decode(errors="replace").splitlines()
    foreign = any(part in name for part in FOREIGN)
    if name.endswith(MODULES) and not foreign and len(lines) > MODULE_LINES:
        found.append(f"{name}: {len(lines)} lines, at most {MODULE_LINES}: split it by what it does")
    if name.endswith(".md") and not foreign and name not in ANY_COLUMNS:
        found += [
            f"{name}:{number}: a paragraph has at most {PROSE_COLUMNS} columns"
            for number in long_prose(lines)
        ]
    for number, line in enumerate(lines, start=1):
        if HOST.search(line):
            found.append(f"{name}:{number}: names a package registry or content network")
        if not foreign and MACHINE_PATH.search(line):
            found.append(f"{name}:{number}: a path of somebody's machine")
    return found


def main() -> int:
    """Print every complaint; status 1 if there is one."""
    found = [complaint for name in tracked() for complaint in complaints(name)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
