"""The most expensive files that pass the limits, and the most hostile, stay below 500 MB of memory.

Each is decoded in a process of its own, with a cap on the address space beyond what the imports took.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.mapgan.images import deep_png, png, png_chunk, save, tiff, tiff_tags

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

LIMIT = 500 * 2**20
CHILD = """
import json, pathlib, resource, sys, time
import numpy
from mapgan.imageio import ImageError, decode

def memory(name):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) * 1024

taken = memory("VmSize:")
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv[2]),) * 2)
start = time.perf_counter()
try:
    result = list(decode(pathlib.Path(sys.argv[1]).read_bytes()).rgb.shape)
except ImageError as error:
    result = error.code
print(json.dumps({"result": result, "peak": memory("VmHWM:"), "seconds": time.perf_counter() - start}))
"""


def _noise(channels: int, dtype: type = np.uint8) -> np.ndarray:
    """25 megapixels that hardly compress in depth but do in width, to stay below 20 MB."""
    rng = np.random.default_rng(0)
    row = rng.integers(0, np.iinfo(dtype).max, (1, 5000, channels)).astype(dtype)
    return np.repeat(row, 5000, axis=0)


def _files() -> dict[str, bytes]:
    flat = (5000, 5000)
    return {
        "png-rgba-16": deep_png(np.zeros((*flat, 4), np.uint16)),
        "jpeg-cmyk-progressive": save(
            Image.new("CMYK", flat, (1, 2, 3, 4)), "JPEG", progressive=True, quality=100
        ),
        "webp-lossless-alpha": save(Image.fromarray(_noise(4)), "WEBP", lossless=True, method=0, quality=0),
        "webp-lossy": save(Image.fromarray(_noise(3)), "WEBP", method=0),
        "tiff-rgba-16-one-strip": _deflated_tiff(),
        "tiff-claims": _claims(),
        "png-text": png(
            20, 20, 8, 2, (b"\0" + bytes(60)) * 20, png_chunk(b"zTXt", b"a\0\0" + bytes(19_000_000))
        ),
        "exif-bomb": _exif_bomb(),
    }


def _deflated_tiff() -> bytes:
    pixels = zlib.compress(bytes(5000 * 5000 * 8), 6)
    return tiff(tiff_tags(5000, 5000, [16] * 4, 2, compression=8, size=len(pixels)), pixels)


def _claims() -> bytes:
    claims = {number: (4, [8, 8]) for number in range(40_000, 44_000)}
    tags = tiff_tags(1024, 1024, [8] * 3, 2) | claims
    return tiff(tags, bytes(19 * 2**20), count=dict.fromkeys(claims, 19 * 2**18))


def _exif_bomb() -> bytes:
    """A JPEG whose EXIF segments add up to megabytes, under a directory of tags that each claim all."""
    picture = save(Image.new("RGB", (64, 64)), "JPEG")
    count, size = 5000, 16 * 2**20
    block = b"II*\0" + struct.pack("<IH", 8, count)
    block += b"".join(struct.pack("<HHII", 1000 + tag, 7, size - 100, 0) for tag in range(count))
    block = block.ljust(size, b"\0")
    segments = b"".join(
        b"\xff\xe1" + struct.pack(">H", len(part) + 8) + b"Exif\0\0" + part
        for part in (block[at : at + 65_000] for at in range(0, size, 65_000))
    )
    return picture[:2] + segments + picture[2:]


@pytest.mark.slow
def test_memory_stays_bounded(tmp_path: Path):
    results = {}
    for name, data in _files().items():
        assert len(data) <= 20 * 2**20, f"{name} would be refused for its {len(data)} bytes"
        path = tmp_path / name
        path.write_bytes(data)
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(path), str(LIMIT)],
            capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert done.returncode == 0, f"{name}: {done.stderr}"
        results[name] = json.loads(done.stdout)
    for name, result in results.items():
        assert result["peak"] < LIMIT, f"{name} took {result['peak'] / 2**20:.0f} MB"
        expected = {"png-text": [20, 20, 3], "exif-bomb": [64, 64, 3], "tiff-claims": [1024, 1024, 3]}
        assert result["result"] == expected.get(name, [5000, 5000, 3]), name
