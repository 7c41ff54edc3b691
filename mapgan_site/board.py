"""TensorBoard as a process of ours: asleep until somebody asks, and reached through the site alone.

It listens on a Unix socket that only this user can open (or, in a network of containers, on the port that
MAPGAN_TENSORBOARD_URL names) and imports TensorBoard at the first connection, so that a start costs nothing.
After a while without a request it becomes asleep again. Who may see it is decided by the view in front of it
(`training_jobs.views.board`). It reads what `training_jobs.board` puts into
its folder, with no TensorFlow and without TensorBoard's own data server, which would listen on a port.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import sys
import time
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

PREFIX: Final = "/training/tensorboard"
IDLE_SECONDS: Final = 900.0  # then its memory is worth more to others
RELOAD_SECONDS: Final = 10.0  # between two looks for new figures
PLUGINS: Final = ("core", "metrics", "scalar", "image", "distribution", "histogram", "hparams")

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def run() -> None:
    """Wait for the first connection, then serve until nobody has asked for a while."""
    with _listening() as listener:
        select.select([listener], [], [])
        _serve(listener)


def _listening() -> socket.socket:
    """The socket, open for connections that wait until we are ready."""
    if settings.TENSORBOARD_URL:
        port = urlsplit(settings.TENSORBOARD_URL).port or 80
        return socket.create_server(("", port))
    path: Path = settings.TENSORBOARD_SOCKET
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(64)
    return listener


def _serve(listener: socket.socket) -> None:
    # TensorBoard imports TensorFlow when it is installed, unless this module says that there is none.
    sys.modules["tensorboard.compat.notf"] = types.ModuleType("tensorboard.compat.notf")
    from tensorboard import default, program
    from werkzeug.serving import ThreadedWSGIServer

    asked = [time.monotonic()]  # when somebody did, last

    class Server(ThreadedWSGIServer):
        """TensorBoard's application on the socket that is open already."""

        daemon_threads = True

        def __init__(self, app: Application, flags: Any) -> None:
            host = "0.0.0.0" if listener.family == socket.AF_INET else f"unix://{listener.getsockname()}"  # noqa: S104
            super().__init__(host, 0, _noting(app, asked), fd=listener.fileno())

        def print_serving_message(self) -> None:
            """Nobody reads it."""

        def get_url(self) -> str:
            """Where the site shows it."""
            return f"{PREFIX}/"

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # the web server's log has every request
    folder: Path = settings.TENSORBOARD_DIR
    folder.mkdir(parents=True, exist_ok=True)
    plugins = [each for each in default.get_static_plugins() if _name(each) in PLUGINS]
    board = program.TensorBoard(plugins=plugins, server_class=Server)
    board.configure(
        argv=["tensorboard"],
        logdir=str(folder),
        path_prefix=PREFIX,
        load_fast="false",
        reload_interval=RELOAD_SECONDS,
        window_title="TensorBoard of MapGAN",
    )
    board.launch()  # in a thread of its own; `main` would also leave a note about itself in /tmp
    _wait_until_idle(asked)


def _name(plugin: Any) -> str:
    """The package a plugin or its loader comes from."""
    module = getattr(plugin, "__module__", None) or type(plugin).__module__
    return str(module).split(".")[2]


def _noting(app: Application, asked: list[float]) -> Application:
    """The application, which notes when it was asked."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked[0] = time.monotonic()
        return app(environ, start_response)

    return application


def _wait_until_idle(asked: list[float]) -> None:
    """Become asleep again when nobody has asked for a while."""
    while (left := asked[0] + IDLE_SECONDS - time.monotonic()) > 0:
        time.sleep(left)
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - ourselves, as small as at the start
