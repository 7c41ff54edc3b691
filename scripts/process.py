"""``python scripts/process.py ROLE``: becomes one process of MapGAN, the same wherever it runs.

`make run`'s supervisor, the images and the tests all start it like this, on one machine or on many:

- ``web``: the site, on HOST and PORT
- ``translate``, ``data``, ``train``, ``maintenance``: a worker of that queue, one job at a time
- ``tensorboard``: TensorBoard, asleep until the site asks it
- ``beat``: the clock; one is enough, a second one does no harm
- ``prepare``: tables, static files, the admin, the bundled generators; once before the others, and it ends

SIGTERM stops each in good order. Never set REMAP_SIGTERM: with the solo pool a remapped signal loses a task.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

WORKERS = {"translate": "INFO", "data": "INFO", "train": "INFO", "maintenance": "WARNING"}
QUEUES = {"data": "data,evaluate"}
"""What a worker takes from beside the queue of its name; in turns, so that a long one blocks no other."""
ROLES = ("web", *WORKERS, "tensorboard", "beat", "prepare")


def web() -> None:
    """gunicorn: one process, threads."""
    from django.conf import settings
    from gunicorn.app.wsgiapp import WSGIApplication

    host = f"[{settings.BIND_HOST.strip('[]')}]" if ":" in settings.BIND_HOST else settings.BIND_HOST
    sys.argv = ["gunicorn", "mapgan_site.wsgi:application", "--bind", f"{host}:{settings.BIND_PORT}"]
    sys.argv += ["--worker-class", "mapgan_site.gunicorn_worker.Worker"]
    sys.argv += ["--threads", str(settings.WEB_THREADS), "--timeout", "60", "--keep-alive", "5"]
    sys.argv += ["--graceful-timeout", str(settings.WEB_GRACE_SECONDS), "--no-control-socket"]
    sys.argv += ["--error-logfile", "-", "--logger-class", "mapgan_site.gunicorn_logger.Logger"]
    WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]").run()


def celery(*arguments: str) -> None:
    """The celery command."""
    from celery.bin.celery import main
    from django.conf import settings

    banner = ["--quiet"] if settings.LOG_FORMAT == "json" else []  # a greeting of many lines is no JSON
    sys.argv = ["celery", *banner, "-A", "mapgan_site", *arguments]
    sys.exit(main())


def start_again_with_huge_pages() -> None:
    """The same process from its beginning, with a variable that is read only there."""
    from mapgan import hugepages

    value = hugepages.tunables(os.environ)
    if value is not None and sys.platform == "linux":
        os.environ[hugepages.VARIABLE] = value
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves


def worker(queue: str) -> None:
    """A Celery worker. The solo pool: one job at a time is what one GPU or a small CPU can do."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    celery(
        "worker",
        "-P",
        "solo",
        "-Q",
        QUEUES.get(queue, queue),
        "-n",
        f"{queue}@%h",
        *quiet,
        "--loglevel",
        WORKERS[queue],
    )


def tensorboard() -> None:
    """See `mapgan_site.board`."""
    from mapgan_site.board import run

    run()


def prepare() -> None:
    """``manage.py prepare``."""
    from mapgan_site.doors import run

    run(["manage.py", "prepare"])


def main() -> None:
    """Exit status: the process's own; 2 when it was asked for something unknown or a setting is wrong."""
    role = sys.argv[1] if len(sys.argv) == 2 else ""
    if role not in ROLES:
        sys.exit(f"usage: python scripts/process.py {'|'.join(ROLES)}")
    os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mapgan_site.settings")
    sys.path[0] = str(ROOT)  # instead of scripts/, whose modules have names that others use
    if role == "translate":
        start_again_with_huge_pages()
    os.chdir(ROOT)
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        _ = settings.SECRET_KEY  # reads them all
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if role in WORKERS:
        worker(role)
    elif role == "beat":
        celery("beat", "--pidfile=", "--loglevel", "WARNING")
    else:
        {"web": web, "tensorboard": tensorboard, "prepare": prepare}[role]()


if __name__ == "__main__":
    main()
