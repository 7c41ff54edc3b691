"""Groups of tiles on shared ground, remembered: comparing all tiles with all takes long, and runs share data.

A small file for each set of pictures in the user's cache folder, named by the algorithm's number and the
hash of all pixels. Nothing depends on it: what cannot be read, or does not fit, is found anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mapgan.whole import written

FILES: Final = 100
"""How many are kept; those used last."""

Pictures: TypeAlias = npt.NDArray[np.uint8]
Groups: TypeAlias = list[list[int]]


def remembered(pictures: Pictures, algorithm: int, find: Callable[[Pictures], Groups]) -> Groups:
    """What ``find`` gives for these pictures, from an earlier time if there was one.

    Args:
        pictures: uint8 ``(n, height, width, 3)``; their order counts.
        algorithm: number of the way of finding; another one remembers for itself.
        find: gives places in ``pictures``, each in one group at most.
    """
    folder = _folder()
    if folder is None:
        return find(pictures)
    path = folder / f"v{algorithm}-{_fingerprint(pictures)}.json"
    groups = _read(path, len(pictures))
    if groups is None:
        groups = find(pictures)
        with suppress(OSError):
            _write(path, groups)
    return groups


def _folder() -> Path | None:
    """By the XDG base directory specification, where relative names are ignored; None without a home."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        base = named if named.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return base / "mapgan" / "ground"


def _fingerprint(pictures: Pictures) -> str:
    digest = sha256(f"{pictures.shape}\n".encode())
    digest.update(np.ascontiguousarray(pictures).data)
    return digest.hexdigest()


def _read(path: Path, count: int) -> Groups | None:
    """The groups of ``count`` pictures; None where there are none, or something else."""
    try:
        groups = json.loads(path.read_bytes())
        os.utime(path)
    except (OSError, ValueError):
        return None
    return groups if _are_groups(groups, count) else None


def _are_groups(found: Any, count: int) -> bool:
    """Lists of two or more places, none of them twice."""
    if not isinstance(found, list) or not all(isinstance(group, list) and len(group) > 1 for group in found):
        return False
    places = [place for group in found for place in group]
    return all(type(place) is int and 0 <= place < count for place in places) and len(set(places)) == len(
        places
    )


def _write(path: Path, groups: Groups) -> None:
    """Keep the groups, and the files that were used last."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as file:
        file.write(json.dumps(groups).encode())
    files = sorted(path.parent.glob("v*.json"), key=lambda file: file.stat().st_mtime_ns)
    for old in files[:-FILES]:
        old.unlink(missing_ok=True)
