"""Keep freed memory: a training step asks for the same large blocks again and again."""

from __future__ import annotations

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1  # malloc.h of the GNU C library
M_MMAP_THRESHOLD: Final = -3
LARGEST: Final = 2**30


def keep_freed_memory() -> bool:
    """Have the C library hold on to what is freed, up to blocks of a gigabyte.

    By itself it gives blocks of 32 MB and more back to the system at once, and a U-Net's deepest gradients
    are just that large: every step then waits for the system to clear the same pages once more (up to 5 %
    of its time here, on an idle machine hardly more than the noise). The peak of the process stays as it is.

    Returns:
        Whether this C library knows the settings; without them nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, 2 * LARGEST - 1))
