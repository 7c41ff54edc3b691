"""Cards survive the way into a file and back; everything else is refused in words."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapgan.card import METADATA_KEY, CardError, GeneratorCard, read_card
from tests.mapgan.generators import make_card, make_generator


def test_json_round_trip():
    card = make_card(title="Straße → Satellit", metrics={"a": {"b": [1, 2.5, None, "x", True]}})
    assert GeneratorCard.from_json(card.to_json()) == card


def test_equal_cards_are_equal_text():
    assert make_card(metrics={"a": 1, "b": 2}).to_json() == make_card(metrics={"b": 2, "a": 1}).to_json()


def test_a_file_tells_its_card(tmp_path):
    path = tmp_path / "negative.onnx"
    card = make_generator(path)
    assert read_card(path) == read_card(str(path)) == read_card(path.read_bytes()) == card


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Upper"},
        {"name": "../up"},
        {"name": ""},
        {"title": "x" * 121},
        {"title": "bell\a"},
        {"title": "lone \ud800 surrogate"},
        {"training_data": "x" * 4001},
        {"model": "stylegan"},
        {"direction": "BtoA"},
        {"precision": "int4"},
        {"width": 0},
        {"width": True},
        {"width": 64.0},
        {"step": -1},
        {"window": 300},
        {"noise": 1},
        {"metrics": []},
        {"metrics": {"a": math.inf}},
        {"metrics": {"a": math.nan}},
        {"metrics": {"a": {"b": {"c": {"d": {"e": 1}}}}}},
        {"metrics": {"a\0": 1}},
        {"metrics": {"a": "\0"}},
        {"metrics": {1: 1}},
        {"metrics": {"a": object()}},
        {"weights_sha256": "F" * 64},
        {"created": "yesterday"},
        {"format_version": 0},
        {"flat_colours": "e9e5df,f3f0ea"},
        {"flat_colours": " ".join(["e9e5df"] * 17)},
    ],
)
def test_fields_are_checked(changes):
    with pytest.raises(CardError) as error:
        make_card(**changes)
    assert next(iter(changes)) in str(error.value)


def _json(**changes):
    return json.dumps({**json.loads(make_card().to_json()), **changes})


def test_cards_of_earlier_versions_have_no_words():
    """Files made before `description`, `limits`, `compute` and `flat_colours` are read as ever."""
    values = json.loads(make_card().to_json())
    for name in ("description", "limits", "compute", "flat_colours"):
        del values[name]
    assert GeneratorCard.from_json(json.dumps(values)) == make_card()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[]", "object"),
        ("null", "object"),
        ("{}", "lacks"),
        (_json(surprise=1), "surprise"),
        (_json(format_version=2), "newer"),
        (_json(width="64"), "width"),
        ('{"a":' * 2000 + "1" + "}" * 2000, "JSON"),
        ("[" * 60_000, "JSON"),
        (" " * 70_000, "long"),
    ],
)
def test_other_texts_are_no_cards(text, words):
    with pytest.raises(CardError) as error:
        GeneratorCard.from_json(text)
    assert words in str(error.value)


def test_missing_files_and_files_of_other_kinds(tmp_path):
    with pytest.raises(CardError, match="cannot be read"):
        read_card(tmp_path / "missing.onnx")
    with pytest.raises(CardError, match="cannot be read"):
        read_card(tmp_path)
    for data in (b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(1000)):
        with pytest.raises(CardError):
            read_card(data)


def test_an_onnx_model_without_a_card(tmp_path):
    path = tmp_path / "negative.onnx"
    make_generator(path)
    other = path.read_bytes().replace(METADATA_KEY.encode(), b"another.key")
    with pytest.raises(CardError, match="mapgan export"):
        read_card(other)


def test_every_truncation_is_refused_or_has_the_card(tmp_path):
    path = tmp_path / "negative.onnx"
    card = make_generator(path)
    data = path.read_bytes()
    for length in range(len(data)):
        try:
            assert read_card(data[:length]) == card
        except CardError:
            continue


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    path = tmp_path_factory.mktemp("card") / "negative.onnx"
    make_generator(path)
    return path.read_bytes()


@given(data=st.binary(max_size=400))
@example(b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")  # a graph longer than the universe
@example(b"\xff" * 30)
@example(b"\x72\x80\x80\x80\x80\x10" + b"a" * 10)
@settings(max_examples=400, deadline=None)
def test_garbage_is_refused(data):
    with pytest.raises(CardError):
        read_card(data)


@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8))
@settings(max_examples=400, deadline=None)
def test_mutated_files_give_a_card_or_a_card_error(valid, changes):
    data = bytearray(valid)
    for where, value in changes:
        data[int(where * len(data))] = value
    try:
        card = read_card(bytes(data))
    except CardError:
        return
    assert isinstance(card, GeneratorCard)
