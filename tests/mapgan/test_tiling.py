"""Windows cover everything once in sum, whatever the size; bands are the same as one big blend."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapgan import tiling
from mapgan.tiling import least_window, pad_to, plan_axis, translate_bands


@given(
    window=st.integers(6, 300),
    data=st.data(),
)
def test_windows_cover_everything_and_overlap(window, data):
    overlap = data.draw(st.integers(0, window // 6)) * 2
    length = data.draw(st.integers(window, 12 * window))
    axis = plan_axis(length, window, overlap)
    assert axis.starts[0] == 0
    assert axis.starts[-1] + window == length
    touched = np.zeros(length, int)
    for index, start in enumerate(axis.starts):
        first, last = axis.extent(index)
        assert start <= first < last <= start + window
        touched[first:last] += 1
    assert touched.min() == 1
    assert touched.max() <= 2
    assert (touched == 2).sum() == overlap * len(axis.cuts)
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


@given(st.lists(st.integers(1, 5000), min_size=2, max_size=2).filter(lambda sides: max(sides) > 512))
def test_the_least_window_needs_no_more_of_them(lengths):
    """It is one that plans accept, and a smaller one would need more windows or not fit the network."""
    least = least_window(tuple(lengths), window=512, overlap=64, multiple=4)
    assert least % 4 == 0
    assert 3 * 64 <= least <= 512

    def counts(window):
        return [len(plan_axis(max(length, window), window, 64).starts) for length in lengths]

    assert counts(least) == counts(512)
    if least - 4 >= 3 * 64:
        assert counts(least - 4) != counts(512)


def test_known_least_windows():
    assert least_window((1024, 1024), window=512, overlap=64, multiple=4) == 384
    assert least_window((100, 961), window=512, overlap=64, multiple=4) == 364
    assert least_window((960, 960), window=512, overlap=64, multiple=4) == 512


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
    np.testing.assert_allclose(np.concatenate([band.pixels for band in bands]), image, atol=1e-3)
    owners = np.concatenate([band.owners for band in bands])
    assert owners.shape == image.shape[:2]
    # Every window but for lone ones has pixels of its own, and each its number only where it lies.
    assert len(np.unique(owners)) <= sum(seen)
    assert sum(seen) == tiling.count_windows(height, width, window=12, overlap=overlap)
    assert max(seen) <= batch


def test_from_window_to_window_the_blend_is_monotonous():
    """Each window painted in its own number: no pixel leaves the range of its neighbours."""
    number = iter(range(100))
    image = np.zeros((16, 64, 3), np.uint8)
    bands = translate_bands(image, lambda w: np.full(w.shape, next(number), np.float32), window=16, overlap=4)
    row = np.concatenate([band.pixels for band in bands])[0, :, 0]
    assert (np.diff(row) >= -1e-6).all()
    assert (row[0], row[-1]) == (0, 4)


def test_exceptions_of_the_caller_pass():
    class CancelledError(Exception):
        pass

    def predict(windows):
        raise CancelledError

    with pytest.raises(CancelledError):
        list(translate_bands(np.zeros((16, 16, 3), np.uint8), predict, window=16, overlap=4))


def test_rows_are_asked_for_downwards_and_no_more_than_a_window():
    image = np.random.default_rng(0).integers(0, 256, (70, 30, 3), dtype=np.uint8)
    asked = []

    class Source:
        shape = image.shape

        def __getitem__(self, rows):
            asked.append((rows.start, rows.stop))
            return image[rows]

    bands = list(translate_bands(Source(), lambda w: w.astype(np.float32), window=16, overlap=4))
    np.testing.assert_allclose(np.concatenate([band.pixels for band in bands]), image, atol=1e-3)
    assert asked == sorted(asked)
    assert {stop - start for start, stop in asked} == {16}


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
