"""Windows cover everything once in sum, whatever the size; bands are the same as one big blend."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapgan import tiling
from mapgan.tiling import pad_to, plan_axis, seam_score, translate_bands


@given(
    window=st.integers(6, 300),
    data=st.data(),
)
def test_weights_add_up_to_one_and_windows_overlap(window, data):
    overlap = data.draw(st.integers(0, window // 6)) * 2
    length = data.draw(st.integers(window, 12 * window))
    axis = plan_axis(length, window, overlap)
    assert axis.starts[0] == 0
    assert axis.starts[-1] + window == length
    total = np.zeros(length)
    touched = np.zeros(length, int)
    for index, start in enumerate(axis.starts):
        first, last = axis.extent(index)
        assert start <= first < last <= start + window
        weights = axis.weights(index)
        assert (weights > 0).all()
        assert (weights <= 1).all()
        total[first:last] += weights
        touched[first:last] += 1
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert touched.max() <= 2
    for left, right in zip(axis.starts, axis.starts[1:], strict=False):
        assert left + window - right >= overlap
    # Fewest windows: one less could not overlap enough.
    if len(axis.starts) > 1:
        assert (len(axis.starts) - 1) * (window - overlap) + overlap < length


@pytest.mark.parametrize(
    ("length", "window", "overlap"), [(255, 256, 64), (600, 256, 63), (600, 256, 86), (9, 9, -2)]
)
def test_plans_that_do_not_fit(length, window, overlap):
    with pytest.raises(ValueError, match=r"overlap|axis"):
        plan_axis(length, window, overlap)


def test_known_plan():
    axis = plan_axis(600, 256, 64)
    assert axis.starts == (0, 172, 344)
    assert axis.cuts == (214, 386)  # the middles of what neighbours share
    assert axis.extent(1) == (182, 418)


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(12, 80),
    width=st.integers(12, 80),
    overlap=st.sampled_from([0, 2, 4]),
    batch=st.integers(1, 5),
)
def test_an_identity_gives_the_image_back(height, width, overlap, batch):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    seen = []

    def predict(windows):
        seen.append(len(windows))
        assert windows.shape[1:] == (12, 12, 3)
        return windows.astype(np.float32)

    bands = list(translate_bands(image, predict, window=12, overlap=overlap, batch=batch))
    np.testing.assert_allclose(np.concatenate(bands), image, atol=1e-3)
    assert sum(seen) == tiling.count_windows(height, width, window=12, overlap=overlap)
    assert max(seen) <= batch


def test_from_window_to_window_the_blend_is_monotonous():
    """Each window painted in its own number: no pixel leaves the range of its neighbours."""
    number = iter(range(100))
    image = np.zeros((16, 64, 3), np.uint8)
    bands = translate_bands(image, lambda w: np.full(w.shape, next(number), np.float32), window=16, overlap=4)
    row = np.concatenate(list(bands))[0, :, 0]
    assert (np.diff(row) >= -1e-6).all()
    assert (row[0], row[-1]) == (0, 4)


def test_exceptions_of_the_caller_pass():
    class CancelledError(Exception):
        pass

    def predict(windows):
        raise CancelledError

    with pytest.raises(CancelledError):
        list(translate_bands(np.zeros((16, 16, 3), np.uint8), predict, window=16, overlap=4))


def test_memory_grows_with_a_row_of_windows_and_not_with_the_height():
    peaks = []
    for height in (256, 4096):
        image = np.broadcast_to(np.uint8(0), (height, 512, 3))
        tracemalloc.start()
        for _ in translate_bands(image, lambda w: w.astype(np.float32), window=64, overlap=16):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


@given(height=st.integers(1, 20), width=st.integers(1, 20), wanted=st.integers(1, 64))
def test_reflection_pads_any_side(height, width, wanted):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    padded, inner = pad_to(image, wanted, wanted)
    assert padded.shape == (max(height, wanted), max(width, wanted), 3)
    np.testing.assert_array_equal(padded[inner], image)


def test_reflection_equals_numpy_where_numpy_can():
    image = np.random.default_rng(0).integers(0, 256, (20, 31, 3), dtype=np.uint8)
    padded, _ = pad_to(image, 33, 40)
    np.testing.assert_array_equal(padded, np.pad(image, ((6, 7), (4, 5), (0, 0)), mode="reflect"))


def test_reflection_goes_back_and_forth():
    row = np.arange(3, dtype=np.uint8).reshape(1, 3, 1)
    padded, _ = pad_to(row, 1, 11)
    assert padded[0, :, 0].tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]


def test_seam_score():
    rng = np.random.default_rng(0)
    image = rng.integers(100, 110, (90, 120, 3), dtype=np.uint8)
    assert seam_score(image, [30, 60], [40, 80]) == pytest.approx(1, abs=0.1)
    stepped = image.copy()
    stepped[:, 40:80] += 30
    assert seam_score(stepped, [], [40, 80]) > 5
    assert seam_score(stepped, [30, 60], []) == pytest.approx(1, abs=0.2)
    assert seam_score(image, [], []) == 1
    flat = np.zeros((20, 20, 3), np.uint8)
    assert seam_score(flat, [10], [10]) == 1
    flat[10:] = 9
    assert seam_score(flat, [10], []) == np.inf


def test_blending_hides_a_step_that_hard_borders_show():
    """Windows that differ in brightness: side by side they score high, blended near one."""
    rng = np.random.default_rng(0)
    image = rng.integers(100, 110, (256, 640, 3), dtype=np.uint8)

    def uneven(windows):
        uneven.calls += 1
        return windows.astype(np.float32) + 12 * (uneven.calls % 2)

    scores = {}
    for overlap in (0, 64):
        uneven.calls = 0
        bands = translate_bands(image, uneven, window=256, overlap=overlap)
        result = np.rint(np.concatenate(list(bands))).astype(np.uint8)
        scores[overlap] = seam_score(result, [], plan_axis(640, 256, overlap).cuts)
    assert scores[0] > 3
    assert scores[64] < 1.15
