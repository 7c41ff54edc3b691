"""Service addresses given as URLs: DATABASE_URL, REDIS_URL, EMAIL_URL.

Each parser refuses what it does not know. Error messages name the variable and never repeat the URL, which
may hold a password.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

POSTGRES_OPTIONS = frozenset(
    {
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "channel_binding", "gssencmode"),
        *("application_name", "connect_timeout", "target_session_attrs"),
    }
)
# A server that vanishes without a word is noticed after 20 seconds, not after the kernel's two hours.
POSTGRES_PATIENCE = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}
POOL_SECONDS = 10  # how long a thread waits for a connection of the pool


def _split(variable: str, url: str, schemes: tuple[str, ...]) -> tuple[SplitResult, int | None]:
    """The URL's parts and port, or an error that names the variable."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured(f"{variable} is not a valid URL (check the port and brackets).") from None
    if parts.scheme not in schemes:
        raise ImproperlyConfigured(f"{variable} must start with {', '.join(f'{s}:' for s in schemes)}.")
    if parts.fragment:
        raise ImproperlyConfigured(f"{variable} holds a bare #: write it as %23.")
    return parts, port


def _query(variable: str, parts: SplitResult, allowed: frozenset[str]) -> dict[str, str]:
    """The query's parameters, all of them known, each once."""
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ImproperlyConfigured(f"{variable} has a query that cannot be read.") from None
    query = dict(pairs)
    if len(query) != len(pairs):
        raise ImproperlyConfigured(f"{variable} repeats a parameter.")
    unknown = sorted(set(query) - allowed)
    if unknown:
        raise ImproperlyConfigured(f"{variable} has an unknown parameter: {', '.join(unknown)}.")
    return query


def sqlite_database(path: Path) -> dict[str, Any]:
    """Django's settings for SQLite with writers that wait for each other instead of failing.

    WAL lets readers go on while one writes. IMMEDIATE takes the write lock at BEGIN: a transaction that
    reads first and writes later would otherwise fail at once with "database is locked".
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


@dataclass(frozen=True, kw_only=True)
class PostgresUse:
    """How a process uses PostgreSQL.

    Attributes:
        pool: connections that a process keeps at most; 0: one a thread, kept for a minute.
        timeout: seconds after which the server ends a statement, or a transaction that idles; 0: never.
    """

    pool: int = 0
    timeout: int = 0

    def settings(self, options: dict[str, Any]) -> dict[str, Any]:
        """Django's settings for it, with the options of the address."""
        options = {**POSTGRES_PATIENCE, **options}
        if self.timeout:
            limits = ("statement_timeout", "idle_in_transaction_session_timeout")
            options["options"] = " ".join(f"-c {limit}={self.timeout}s" for limit in limits)
        if self.pool:
            options["pool"] = {"min_size": 1, "max_size": self.pool, "timeout": POOL_SECONDS}
        return {"CONN_MAX_AGE": 0 if self.pool else 60, "CONN_HEALTH_CHECKS": True, "OPTIONS": options}


def _postgres_database(
    variable: str, parts: SplitResult, port: int | None, use: PostgresUse
) -> dict[str, Any]:
    options = _query(variable, parts, POSTGRES_OPTIONS | {"host"})
    socket_folder = options.pop("host", "")  # postgresql:///name?host=/run/postgresql
    name = unquote(parts.path.removeprefix("/"))
    if not name or "/" in name:
        raise ImproperlyConfigured(
            f"{variable} must name one database after the host: postgresql://host/name."
        )
    if socket_folder and parts.hostname:
        raise ImproperlyConfigured(f"{variable} names a host twice.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or socket_folder),
        "PORT": str(port or ""),
        **use.settings(options),
    }


def database(url: str, *, variable: str = "DATABASE_URL", use: PostgresUse = PostgresUse()) -> dict[str, Any]:
    """Django's settings for ``postgresql://user:password@host:port/name`` or ``sqlite:////path/to/file``."""
    parts, port = _split(variable, url, ("postgresql", "postgres", "sqlite"))
    if parts.scheme != "sqlite":
        return _postgres_database(variable, parts, port, use)
    _query(variable, parts, frozenset())
    if parts.netloc or not parts.path.startswith("//"):
        raise ImproperlyConfigured(f"{variable}: write an absolute path with four slashes, sqlite:////path.")
    return sqlite_database(Path(unquote(parts.path[1:])))


def redis(url: str, *, variable: str = "REDIS_URL") -> tuple[str, str]:
    """The address as redis-py and as Celery write it.

    They differ for Unix sockets only: ``unix:///path`` and ``redis+socket:///path``.
    """
    parts, _ = _split(variable, url, ("redis", "rediss", "unix", "redis+socket"))
    if parts.scheme in ("redis", "rediss"):
        _query(variable, parts, frozenset({"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}))
        if not parts.hostname:
            raise ImproperlyConfigured(f"{variable} names no host.")
        if parts.path.strip("/") and not parts.path.strip("/").isdigit():
            raise ImproperlyConfigured(f"{variable}: after the host comes the database's number.")
        if parts.scheme == "rediss" and "ssl_cert_reqs" not in parts.query:
            url += ("&" if parts.query else "?") + "ssl_cert_reqs=required"  # Celery insists on a choice
        return url, url
    if parts.netloc or not parts.path or parts.query:
        raise ImproperlyConfigured(f"{variable}: a Unix socket is written as unix:///path and nothing more.")
    return f"unix://{parts.path}", f"redis+socket://{parts.path}"


def email(url: str, *, variable: str = "EMAIL_URL") -> dict[str, Any]:
    """Django's EMAIL_* settings for ``console:``, ``smtp://``, ``smtp+tls://`` (STARTTLS) or ``smtps://``."""
    parts, port = _split(variable, url, ("console", "smtp", "smtp+tls", "smtps"))
    _query(variable, parts, frozenset())
    if parts.scheme == "console":
        return {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    if not parts.hostname or parts.path.strip("/"):
        raise ImproperlyConfigured(f"{variable}: write smtp+tls://user:password@host:port.")
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or {"smtp": 25, "smtp+tls": 587, "smtps": 465}[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_TIMEOUT": 10,
    }


def origin(url: str, *, variable: str) -> str:
    """``https://host:port`` of a web address, for the Content-Security-Policy."""
    parts, _ = _split(variable, url, ("http", "https"))
    if not parts.hostname or parts.username or parts.path.strip("/") or parts.query:
        raise ImproperlyConfigured(f"{variable}: write https://host or https://host:port and nothing more.")
    return f"{parts.scheme}://{parts.netloc}"


def is_numeric(host: str) -> bool:
    """Whether ``host:port`` is an address instead of a name: no name can stand before it."""
    try:
        ip_address(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
    return True


def site(url: str, *, https: bool, hosts: Sequence[str], bind: str, port: int, local: bool) -> str:
    """The site's own origin: as it is written, or what the other settings say of it.

    Args:
        hosts: names it answers to, the most important first.
        local: `make run` listens, under no proxy.
    """
    if url:
        return origin(url, variable="MAPGAN_SITE_URL")
    if local:
        host = hosts[0] if bind in ("0.0.0.0", "::", "[::]") else bind  # noqa: S104 - compared
        return f"{'https' if https else 'http'}://{host}:{port}"
    name = next((each.lstrip(".") for each in hosts if each.strip(".*")), "localhost")
    return f"{'https' if https else 'http'}://{name}"


def networks(items: Sequence[str], *, variable: str) -> list[IPv4Network | IPv6Network]:
    """Networks such as ``10.0.0.0/8``, or single addresses."""
    try:
        return [ip_network(item) for item in items]
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable}: {error}.") from None
