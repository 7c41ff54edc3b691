"""Finds a Chromium for the browser tests, or brings one: `make test` runs this before pytest.

In this order: one on the system; Playwright's own download; Debian's package when root; else (no root, no
download) Debian's packages fetched into `.cache/` with private apt folders and unpacked there.
What was found is written to `.cache/browser.json`, which tests/conftest.py reads.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
FOUND = CACHE / "browser.json"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
STATUS = Path("/var/lib/dpkg/status")  # what is installed already, and so need not be fetched
PACKAGES = ("chromium", "fontconfig-config", "fonts-dejavu-core")

# No background requests to anybody: they would fail slowly on a closed network and disturb the tests.
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


@dataclass(frozen=True)
class Browser:
    """A Chromium that was seen to render a page."""

    executable: str
    environment: dict[str, str] = field(default_factory=dict)
    sandbox: bool = True

    @property
    def flags(self) -> list[str]:
        """Command-line flags."""
        return list(FLAGS) if self.sandbox else [*FLAGS, "--no-sandbox"]

    def renders(self) -> bool:
        """Whether it starts and runs a page's script."""
        page = "data:text/html,<body><script>document.body.append(6*7)</script>"
        with tempfile.TemporaryDirectory(prefix="mapgan-browser-") as profile:
            command = [
                self.executable,
                "--headless",
                *self.flags,
                f"--user-data-dir={profile}",
                "--dump-dom",
                page,
            ]
            try:
                result = subprocess.run(
                    command,
                    env=os.environ | self.environment,
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired):
                return False
        return "42" in result.stdout

    @classmethod
    def working(cls, executable: Path | str, environment: dict[str, str] | None = None) -> Browser | None:
        """The program with its sandbox, else without: root and many containers cannot have one."""
        for sandbox in [True, False] if os.geteuid() else [False]:
            browser = cls(str(executable), environment or {}, sandbox)
            if browser.renders():
                return browser
        return None


def remembered() -> Browser | None:
    """What an earlier run found, if it is still there."""
    try:
        browser = Browser(**json.loads(FOUND.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return browser if Path(browser.executable).exists() else None


def from_system() -> Browser | None:
    """A Chromium on the PATH that works; some are only launchers for a package that is not there."""
    for name in NAMES:
        executable = shutil.which(name)
        browser = Browser.working(executable) if executable else None
        if browser:
            return browser
    return None


def from_playwright() -> Browser | None:
    """Playwright's own build, where its download server can be reached."""
    folder = CACHE / "playwright"
    environment = os.environ | {
        "PLAYWRIGHT_BROWSERS_PATH": str(folder),
        "PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "10000",
    }
    command = [sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]
    try:
        subprocess.run(command, env=environment, capture_output=True, check=True, timeout=600)
    except (subprocess.SubprocessError, OSError):
        return None
    for executable in sorted(folder.glob("chromium*/*/*headless*shell*")):
        browser = Browser.working(executable) if os.access(executable, os.X_OK) else None
        if browser:
            return browser
    return None


def from_apt_as_root() -> Browser | None:
    """Debian's package, installed."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"],
    ):
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
            return None
    return from_system()


def from_apt_unpacked() -> Browser | None:
    """Debian's packages, fetched with apt folders of our own and unpacked without root."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None
    work, root = CACHE / "chromium" / "apt", CACHE / "chromium" / "root"
    archives = work / "cache" / "archives"
    for folder in (archives / "partial", work / "state" / "lists" / "partial", root):
        folder.mkdir(parents=True, exist_ok=True)
    options = {
        "Dir::State": work / "state",
        "Dir::State::status": STATUS,
        "Dir::Cache": work / "cache",
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "",
        "APT::Install-Recommends": "false",
    }
    apt = ["apt-get", "-qq", "-y", *(f"-o{name}={value}" for name, value in options.items())]
    for command in ([*apt, "update"], [*apt, "--download-only", "install", *PACKAGES]):
        if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
            return None
    for package in sorted(archives.glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
    shutil.rmtree(work)
    return _unpacked(root)


def _unpacked(root: Path) -> Browser | None:
    """The browser under `root`, with its libraries and fonts."""
    executable = root / "usr/lib/chromium/chromium"
    if not executable.exists():
        return None
    libraries = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")]
    libraries += [path for folder in libraries for path in folder.glob("pulseaudio")]
    fonts = root.parent / "fonts.conf"
    folders = "".join(f"<dir>{path}</dir>" for path in (root / "usr/share/fonts", Path("/usr/share/fonts")))
    fonts.write_text(f"<fontconfig>{folders}<cachedir>{root.parent / 'fonts'}</cachedir></fontconfig>")
    environment = {
        "LD_LIBRARY_PATH": ":".join(map(str, [executable.parent, *libraries])),
        "FONTCONFIG_FILE": str(fonts),
    }
    return Browser.working(executable, environment)


WAYS = (
    ("one on this system", from_system),
    ("Playwright's download", from_playwright),
    ("Debian's package", from_apt_as_root),
    ("Debian's packages, unpacked under .cache/", from_apt_unpacked),
)


def find(*, quiet: bool = False) -> Browser | None:
    """A working Chromium, from wherever it can be had."""
    known = remembered()
    if known:
        return known
    for words, way in WAYS:
        if not quiet:
            print(f"  Chromium for the browser tests: trying {words} …", flush=True)
        browser = way()
        if browser:
            CACHE.mkdir(exist_ok=True)
            FOUND.write_text(json.dumps(asdict(browser)))
            return browser
    return None


if __name__ == "__main__":
    found = find()
    if found is None:
        sys.exit("No Chromium could be found or brought: install one (Debian: apt-get install chromium).")
    print(f"  Chromium: {found.executable}")
