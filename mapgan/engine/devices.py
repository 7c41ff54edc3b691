"""How many devices a batch is shared by."""

from __future__ import annotations

import logging

from mapgan.engine.state import EngineError

logger = logging.getLogger(__name__)


def sharing(batch_size: int, devices: int) -> int:
    """How many of ``devices`` equal devices take part: all of them, or one when there is nothing to share.

    Raises:
        EngineError: the batch cannot be divided evenly, and the mean of the devices' gradients would
            not be that of the batch.
    """
    if devices == 1:
        return 1
    if batch_size == 1:
        logger.warning(
            "%d devices, but a batch of 1 has nothing to share: one is used. A batch_size that is a multiple "
            "of %d uses all.",
            devices,
            devices,
        )
        return 1
    if batch_size % devices:
        raise EngineError(
            f"a batch_size of {batch_size} cannot be shared evenly by {devices} devices; choose a multiple "
            f"of {devices}, or show fewer devices (CUDA_VISIBLE_DEVICES)"
        )
    return devices
