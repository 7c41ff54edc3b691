"""Strict readers of environment variables.

A value that is unknown or garbled raises ImproperlyConfigured with the variable's name: a typing error stops
the start instead of switching something off in silence. An empty variable counts as not set, because that
is what ``NAME=`` in an env file or in docker compose means. Every secret NAME can also come as ``NAME_FILE``,
the path of a file that holds it (Docker and Kubernetes secrets).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_env_file(path: Path, environ: MutableMapping[str, str]) -> None:
    """Add the ``NAME=VALUE`` lines of an env file to `environ`; what is already set there wins.

    Values are taken as written: no quotes, no ``$`` expansion, so that a password needs no escaping.
    """
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator or not NAME.fullmatch(name.strip()):
            raise ImproperlyConfigured(f"{path}, line {number}: write NAME=VALUE.")
        environ.setdefault(name.strip(), value.strip())


def read_environment(default_file: Path) -> dict[str, str]:
    """The process's variables, and below them those of the env file.

    The file is `default_file` when it is there. ``MAPGAN_ENV_FILE`` names another; an empty one means none.
    """
    environ = dict(os.environ)
    named = environ.get("MAPGAN_ENV_FILE")
    file = default_file if named is None else Path(named) if named else None
    if file is not None and (named or file.exists()):
        try:
            read_env_file(file, environ)
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"MAPGAN_ENV_FILE: cannot read {file}.") from error
    return environ


class Env:
    """Reads variables from a mapping and remembers their names."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Read from `environ`; by default from the process's own environment."""
        self._environ: Mapping[str, str] = os.environ if environ is None else environ
        self.names: set[str] = set()

    def _read(self, name: str) -> str:
        self.names.add(name)
        return self._environ.get(name, "").strip()

    def text(self, name: str, default: str = "") -> str:
        """The variable as it is written."""
        return self._read(name) or default

    def boolean(self, name: str, *, default: bool) -> bool:
        """One of true/false, yes/no, on/off, 1/0."""
        value = self._read(name).lower()
        if not value:
            return default
        if value in TRUE:
            return True
        if value in FALSE:
            return False
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")

    def number(self, name: str, default: float, *, least: float = 0, most: float = math.inf) -> float:
        """A decimal number between `least` and `most`."""
        value = self._read(name)
        try:
            number = float(value) if value else float(default)
        except ValueError:
            raise ImproperlyConfigured(f"{name} must be a number, not {value!r}.") from None
        if not least <= number <= most:  # also refuses nan
            raise ImproperlyConfigured(f"{name} must be between {least:g} and {most:g}, not {value}.")
        return number

    def integer(self, name: str, default: int, *, least: int = 0, most: int = 2**31 - 1) -> int:
        """A whole number between `least` and `most`."""
        value = self._read(name)
        if value and not re.fullmatch(r"[+-]?[0-9]+", value):
            raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.")
        number = int(value) if value else default
        if not least <= number <= most:
            raise ImproperlyConfigured(f"{name} must be between {least} and {most}, not {number}.")
        return number

    def choice(self, name: str, choices: tuple[str, ...], *, default: str) -> str:
        """One of `choices`, exactly as written there."""
        value = self._read(name) or default
        if value not in choices:
            raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
        return value

    def listing(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """Values separated by commas."""
        value = self._read(name)
        if not value:
            return list(default)
        items = [item.strip() for item in value.split(",")]
        if not all(items):
            raise ImproperlyConfigured(f"{name} has an empty item between its commas: {value!r}.")
        return items

    def path(self, name: str, default: Path) -> Path:
        """An absolute path; a relative one counts from the working directory."""
        value = self._read(name)
        return Path(value).expanduser().absolute() if value else default

    def secret(self, name: str, default: str = "") -> str:
        """A value that must not be shown: from NAME, or from the file that NAME_FILE names."""
        value, file = self._read(name), self._read(f"{name}_FILE")
        if value and file:
            raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
        if not file:
            return value or default
        try:
            content = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(
                f"{name}_FILE: cannot read {file} ({type(error).__name__})."
            ) from error
        if not content:
            raise ImproperlyConfigured(f"{name}_FILE: {file} is empty.")
        return content

    def refuse_unknown(self, prefix: str, known: tuple[str, ...] = ()) -> None:
        """Raise when a variable with this prefix was read by nobody: it is misspelt or out of date."""
        unknown = sorted(
            name for name in self._environ if name.startswith(prefix) and name not in self.names | set(known)
        )
        if unknown:
            raise ImproperlyConfigured(f"Unknown variable {', '.join(unknown)}: .env.example lists all.")
