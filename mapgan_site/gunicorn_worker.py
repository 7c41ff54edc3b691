"""gunicorn's threaded worker for clients that are slow, or pretend to be.

gunicorn reads requests in its threads and waits for as long as a client takes: as many half-sent requests as
there are threads would stop the site. Here a client has a few seconds, and more only as long as it goes on
sending (or taking) at a modest rate. A public site still belongs behind a proxy that buffers requests.
"""

from __future__ import annotations

import errno
import socket
import time
from typing import Any

from gunicorn.workers import gthread

GRACE_SECONDS = 10.0  # of waiting for the client, over a whole request
BYTES_PER_SECOND = 16 * 1024  # each so many bytes that arrive buy another second
SEND_SECONDS = 30.0  # for each piece of an answer


class PacedSocket(socket.socket):
    """A client's connection that gives up on a client that is too slow."""

    waited: float
    received: int

    @classmethod
    def take(cls, accepted: socket.socket) -> PacedSocket:
        """The accepted connection as one of ours."""
        blocking = accepted.getblocking()
        paced = cls(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        paced.setblocking(blocking)
        paced.begin_request()
        return paced

    def begin_request(self) -> None:
        """A new request has all its time before it."""
        self.waited, self.received = 0.0, 0

    def setblocking(self, flag: bool, /) -> None:
        """Blocking never means for ever."""
        self.settimeout(SEND_SECONDS if flag else 0.0)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """What the client sent. Only the time spent waiting for it counts.

        Raises:
            ConnectionResetError: The client is too slow; gunicorn closes such a connection without a word.
        """
        if self.gettimeout() == 0.0:
            return super().recv(size, flags)
        started = time.monotonic()
        left = GRACE_SECONDS + self.received / BYTES_PER_SECOND - self.waited
        try:
            self.settimeout(max(left, 0.001))
            data = super().recv(size, flags)
        except TimeoutError:
            raise ConnectionResetError(errno.ECONNRESET, "The client is too slow.") from None
        finally:
            self.settimeout(SEND_SECONDS)
            self.waited += time.monotonic() - started
        self.received += len(data)
        return data


class Worker(gthread.ThreadWorker):
    """``--worker-class mapgan_site.gunicorn_worker.Worker``"""

    def enqueue_req(self, conn: Any) -> None:
        """Every connection on its way to a thread passes here."""
        if not isinstance(conn.sock, PacedSocket):
            conn.sock = PacedSocket.take(conn.sock)
        conn.sock.begin_request()
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        """A connection that has sent nothing yet waits in the poller and not in a thread."""
        if not conn.initialized and not conn.wait_for_data(0.0):
            return gthread._DEFER
        return super().handle(conn)
