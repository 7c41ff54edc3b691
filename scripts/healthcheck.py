"""``python scripts/healthcheck.py ROLE``: status 0 while the container's process is well. The images call it.

The web process must answer /healthz; a worker, or beat, must have signed the presence list in the broker
lately (mapgan_site/presence.py); TensorBoard must listen, and is not woken. It sets up no Django: it runs
every minute in every container.
"""

from __future__ import annotations

import http.client
import platform
import sys
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # instead of scripts/, whose modules have names that others use

from mapgan_site.env import Env, read_environment  # noqa: E402

PRESENCE = "mapgan:presence"
FRESH_SECONDS = 60.0
PATIENCE_SECONDS = 5.0
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
LISTENING = "0A"


def web(env: Env) -> str | None:
    """What is wrong with the web process of this container, or None."""
    # the site answers to its own names only
    name = env.listing("MAPGAN_ALLOWED_HOSTS", ("localhost",))[0].lstrip(".*") or "localhost"
    connection = http.client.HTTPConnection("127.0.0.1", env.integer("PORT", 8000), timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/healthz", headers={"Host": name})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"/healthz does not answer: {error}"
    finally:
        connection.close()
    return None if status == 200 else f"/healthz answers {status}"


def signed(env: Env, role: str) -> str | None:
    """What is wrong with the Celery process of this container, or None."""
    import redis

    url = env.secret("REDIS_URL")
    if not url:
        return "REDIS_URL is not set"
    broker = redis.Redis.from_url(
        url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS
    )
    try:
        now: Any = broker.time()  # the broker's clock, as in the list
        entries: Any = broker.zrange(PRESENCE, 0, -1, withscores=True)
    except (redis.RedisError, OSError) as error:
        return f"the broker does not answer: {type(error).__name__}"
    own = f"{role}@{platform.node()}:".encode()
    ages = [now[0] + now[1] / 1e6 - score for name, score in entries if name.startswith(own)]
    if not ages:
        return f"{role} has not reported yet"
    return None if min(ages) < FRESH_SECONDS else f"{role} was last heard of {min(ages):.0f} s ago"


def listens(env: Env) -> str | None:
    """What is wrong with TensorBoard, or None. The kernel is asked: a connection would wake it."""
    port = urlsplit(env.text("MAPGAN_TENSORBOARD_URL")).port or 80
    sockets = [path.read_text().splitlines()[1:] for path in map(Path, TABLES) if path.exists()]
    for line in (line.split() for lines in sockets for line in lines):
        if line[3] == LISTENING and int(line[1].rpartition(":")[2], 16) == port:
            return None
    return f"nobody listens on port {port}"


def main() -> int:
    """Say what is wrong; status 1 if anything is."""
    if len(sys.argv) != 2:
        sys.exit("usage: healthcheck.py web|translate|data|train|maintenance|beat|tensorboard")
    role, env = sys.argv[1], Env(read_environment(ROOT / ".env"))
    problem = {"web": web, "tensorboard": listens}.get(role, partial(signed, role=role))(env)
    if problem:
        print(problem)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
