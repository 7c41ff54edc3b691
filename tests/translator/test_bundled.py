"""The generators that come with the code, through the worker's code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command

from accounts.models import User
from jobs.models import JobState
from tests.translator.factories import opened, translated
from translator import worker
from translator.models import Generator

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLES = {"map2sat": ROOT / "samples", "sat2map": ROOT / "samples" / "satellite"}


@pytest.fixture(autouse=True)
def loaded(db: None) -> None:
    call_command("load_bundled", verbosity=0)


def test_both_directions_are_on_offer() -> None:
    """Each by both ways of training, the one with pairs first."""
    offered = Generator.objects.values_list("name", "direction", "state", "is_default")
    assert set(offered) == {
        ("pix2pix-map2sat", "map2sat", "published", True),
        ("pix2pix-sat2map", "sat2map", "published", True),
        ("cyclegan-map2sat", "map2sat", "published", False),
        ("cyclegan-sat2map", "sat2map", "published", False),
    }
    worker.preload()
    for generator in Generator.objects.all():
        assert generator.sample_input
        assert generator.sample_output


@pytest.mark.parametrize("model", ["pix2pix", "cyclegan"])
@pytest.mark.parametrize("direction", SAMPLES)
def test_a_sample_becomes_another_picture_of_its_size(alice: User, model: str, direction: str) -> None:
    generator = Generator.objects.get(name=f"{model}-{direction}")
    data = min(SAMPLES[direction].glob("*.png")).read_bytes()
    one, two = (translated(alice, generator, data=data, seed=3) for _ in range(2))
    assert one.state == JobState.SUCCEEDED, one.error_details
    before = opened(data).astype(int)
    after, again = (opened(default_storage.open(row.result).read()).astype(int) for row in (one, two))
    assert np.array_equal(after, again)
    assert after.shape == before.shape
    assert np.abs(after - before).mean() > 10  # not the input again
    assert after.std() > 5  # nor one colour
