"""``python jobs/tied.py COMMAND ...``: becomes COMMAND, which gets SIGTERM when its parent dies.

Without it, a supervisor that is killed hard would leave its web server, workers and broker behind, and the
next start would find the port taken; a worker that is killed would leave a training on the GPU. A program of
its own and not a ``preexec_fn``, which is unsafe beside other threads. Standard library only: it runs without
site packages. Linux only; elsewhere it just becomes COMMAND.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tie_to_parent() -> None:
    """Ask the kernel for SIGTERM when the parent ends."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended in between
            sys.exit(0)


if __name__ == "__main__":
    tie_to_parent()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the command is ours, no shell
