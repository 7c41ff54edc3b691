"""A child process that does a job's work: its events are heard, its end is known, it never outlives us.

Training frameworks do not belong into a Celery process (they fork badly and keep a GPU's memory), so the
work is the ``mapgan`` command, as a person would run it. Its stdout is JSON lines, its stderr goes to a file.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, Full, Queue
from time import monotonic
from typing import IO, Any, Final, cast

from jobs.errors import JobCancelled, JobStopped, LeaseLost
from jobs.runner import Attempt

logger = logging.getLogger(__name__)

GRACE_SECONDS: Final = 25.0  # a training saves within 20 s of a SIGTERM
LOOK_SECONDS: Final = 0.25  # how long a wish to stop may go unnoticed
TAIL_BYTES: Final = 8_000
LINE_LIMIT: Final = 1_000_000  # characters; one that never ends a line must not fill our memory
QUEUE_LINES: Final = 1_000  # one that talks faster than we listen waits in its pipe
TIED: Final = Path(__file__).with_name("tied.py")

Listener = Callable[[dict[str, Any]], None]
Watch = Callable[[int], None]


@dataclass(frozen=True)
class ChildEnd:
    """How a child ended by itself.

    Attributes:
        code: the exit code; negative when a signal ended it.
        tail: the end of what it wrote on stderr.
    """

    code: int
    tail: str

    @property
    def killed(self) -> bool:
        """Somebody else's SIGKILL: most often the kernel's, for want of memory."""
        return self.code == -signal.SIGKILL


def run_child(
    command: Sequence[str],
    *,
    attempt: Attempt,
    listen: Listener,
    listen_at_end: Listener | None = None,
    log: Path,
    environment: Mapping[str, str] | None = None,
    patience: Mapping[type[JobStopped], float] | None = None,
    watch: Watch | None = None,
) -> ChildEnd:
    """Run ``command`` to its end, or until the attempt must stop.

    Args:
        command: program and arguments.
        attempt: asked a few times a second whether to go on.
        listen: hears every JSON object the child prints, in this thread. What it raises stops the child.
        listen_at_end: hears what it says between the wish to stop and its end; None takes ``listen``.
        log: the child's stderr, and what it printed that was no JSON object, are appended here.
        environment: variables on top of this process's own.
        patience: seconds between SIGTERM and SIGKILL, by the reason to stop; `GRACE_SECONDS` for others. A
            cancellation that comes in between shortens them.
        watch: called with the child's process number a few times a second while it runs, in this thread.

    Raises:
        JobStopped: the attempt was told to stop; the child is gone when this arrives, and what it said on its
            way out was heard.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as errors, _started(command, environment, errors) as child:
        lines = _Lines(cast("IO[str]", child.stdout))
        try:
            _follow(child, lines, attempt, partial(_hear, listen=listen, errors=errors), watch or _unwatched)
        except JobStopped as reason:
            seconds = partial(_patience, patience or {}, attempt, type(reason))
            # What it saves on SIGTERM is worth knowing: the last losses, the last checkpoint. But after a
            # lost lease another worker may be writing: not a word more.
            last = _ignore if isinstance(reason, LeaseLost) else listen_at_end or listen
            _stop(child, lines, seconds, partial(_hear, listen=last, errors=errors))
            if attempt.is_cancelled:  # meanwhile
                raise JobCancelled from reason
            raise
        except BaseException:
            _stop(child, lines, lambda: GRACE_SECONDS, partial(_hear, listen=_ignore, errors=errors))
            raise
        finally:
            lines.close()
    return ChildEnd(child.returncode, read_tail(log))


def _ignore(_: dict[str, Any]) -> None:
    """Nobody listens."""


def _unwatched(_: int) -> None:
    """Nobody looks at it."""


def read_tail(log: Path, limit: int = TAIL_BYTES) -> str:
    """The last ``limit`` bytes of a log, from the start of a line where there is one, as text a row takes."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - limit))
        text = file.read().decode("utf-8", "replace").replace("\0", "")
        return text.partition("\n")[2] or text if size > limit else text
    return ""


@contextlib.contextmanager
def _started(
    command: Sequence[str], environment: Mapping[str, str] | None, errors: IO[bytes]
) -> Iterator[subprocess.Popen[str]]:
    """The child in a process group of its own, tied to this process; killed with its group at the end."""
    child = subprocess.Popen(  # noqa: S603 - our own command, no shell
        [sys.executable, "-I", "-S", str(TIED), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**os.environ, **(environment or {})},
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        yield child
    finally:
        _signal_group(child, signal.SIGKILL)
        child.wait()


class _Lines:
    """Lines of a child's stdout as they come, read by a thread that ends with the child or with `close`."""

    def __init__(self, stream: IO[str]) -> None:
        self._queue: Queue[str | None] = Queue(QUEUE_LINES)
        self._closed = threading.Event()
        self._stream = stream
        threading.Thread(target=self._read, name="child-lines", daemon=True).start()

    def next(self, seconds: float) -> str | None:
        """The next line; an empty one when none came in time; None at the end."""
        try:
            return self._queue.get(timeout=seconds)
        except Empty:
            return ""

    def close(self) -> None:
        """Nobody listens any more."""
        self._closed.set()

    def _read(self) -> None:
        with self._stream as stream:
            while line := stream.readline(LINE_LIMIT):
                if not self._put(line):
                    return
        self._put(None)

    def _put(self, line: str | None) -> bool:
        while not self._closed.is_set():
            with contextlib.suppress(Full):
                self._queue.put(line, timeout=1.0)
                return True
        return False


def _follow(
    child: subprocess.Popen[str], lines: _Lines, attempt: Attempt, hear: Callable[[str], None], watch: Watch
) -> None:
    """Hear the child until it ends."""
    attempt.check()
    while (line := lines.next(LOOK_SECONDS)) is not None:
        if line:
            hear(line)
        attempt.check()  # never between taking a line and hearing it: it would be lost
        watch(child.pid)
    while child.poll() is None:  # it closed its stdout and works on
        attempt.check()
        watch(child.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(LOOK_SECONDS)


def _hear(line: str, *, listen: Listener, errors: IO[bytes]) -> None:
    """One event; anything else a child prints belongs into its log."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if isinstance(event, dict):
        listen(event)
    else:
        errors.write(line.encode("utf-8", "replace"))
        errors.flush()


def _patience(
    patience: Mapping[type[JobStopped], float], attempt: Attempt, reason: type[JobStopped]
) -> float:
    """Seconds that the child has to end; fewer when somebody cancels what was only to pause or to finish."""
    seconds = patience.get(reason, GRACE_SECONDS)
    return min(seconds, patience.get(JobCancelled, seconds)) if attempt.is_cancelled else seconds


def _stop(
    child: subprocess.Popen[str], lines: _Lines, grace: Callable[[], float], hear: Callable[[str], None]
) -> None:
    """SIGTERM; after ``grace()`` seconds the caller's end of the context kills what is still there.

    The child's lines are taken all the while: one that waits for room in its pipe could not end.
    """
    if child.poll() is None:
        child.terminate()
    began = monotonic()
    talks = True
    while talks or child.poll() is None:
        left = began + grace() - monotonic()
        if left <= 0:
            logger.warning("Process %d did not stop in time and is killed.", child.pid)
            return
        if talks:
            line = lines.next(min(left, LOOK_SECONDS))
            talks = line is not None
            if line:
                hear(line)
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(min(left, LOOK_SECONDS))


def _signal_group(child: subprocess.Popen[str], number: signal.Signals) -> None:
    """Signal what the child left behind as well; its group outlives it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
