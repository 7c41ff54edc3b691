"""FID, when the user has a file of Inception's weights; nothing is downloaded here.

The file is that of **Keras's InceptionV3 without its top** (trained on ImageNet), as Keras itself
publishes it, ``inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5``: HDF5 with arrays only, in the
order of the layers; the architecture is built here. Published FIDs come from another file (the 2015 graph of
Heusel et al.): these values compare with each other alone.
"""

from __future__ import annotations

from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from mapgan.metrics.pooled import Floats, Pictures

SIDE: Final = 299
FEATURES: Final = 2048
BATCH: Final = 8
HDF5: Final = b"\x89HDF\r\n\x1a\n"


class InceptionError(ValueError):
    """A weights file that cannot be used; the message says why."""


def frechet_distance(real: Floats, made: Floats) -> float:
    """``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`` of two sets of features (Heusel et al. 2017).

    Args:
        real, made: ``(n, d)`` and ``(m, d)``, n and m at least 2; covariances divide by n - 1.

    With ``C1 = A'A`` and ``C2 = B'B`` the trace of the root is the sum of the singular values of
    ``A B'``: exact, also where there are fewer pictures than features and the covariances are singular.
    """
    roots = [(part - part.mean(axis=0)) / np.sqrt(len(part) - 1) for part in (real, made)]
    shift = np.square(real.mean(axis=0) - made.mean(axis=0)).sum()
    spread = sum(np.square(root).sum() for root in roots)
    common = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    return float(shift + spread - 2 * common)


class Inception:
    """InceptionV3 up to its last mean over space.

    Attributes:
        sha256: of the weights file; two FIDs compare only if it is the same.
    """

    def __init__(self, path: Path) -> None:
        """Builds the network and loads the weights.

        Args:
            path: the ``.h5`` file described above.

        Raises:
            InceptionError: no such file, or not those weights.
        """
        try:
            with path.open("rb") as file:
                if file.read(len(HDF5)) != HDF5:
                    raise InceptionError(f"{path} is no HDF5 file")
                file.seek(0)
                self.sha256 = file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InceptionError(f"cannot read {path}: {error.strerror}") from error
        import keras

        self._network: Any = keras.applications.InceptionV3(
            include_top=False, weights=None, pooling="avg", input_shape=(SIDE, SIDE, 3)
        )
        try:
            self._network.load_weights(path)
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise InceptionError(
                f"{path} does not hold the weights of Keras's InceptionV3 without its top: {error}"
            ) from error

    def features(self, pictures: Pictures) -> Floats:
        """``(n, 2048)`` of uint8 ``(n, height, width, 3)``, resized to 299x299 bicubically."""
        import keras

        found = []
        for start in range(0, len(pictures), BATCH):
            chunk = [
                Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
                for picture in pictures[start : start + BATCH]
            ]
            unit = np.stack([np.asarray(picture, np.float32) for picture in chunk]) / 127.5 - 1
            found.append(keras.ops.convert_to_numpy(self._network(unit, training=False)))
        return np.concatenate(found).astype(np.float64)
