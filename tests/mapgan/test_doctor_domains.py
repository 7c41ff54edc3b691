"""`mapgan doctor` on the two domains of a CycleGAN, and on splits of several layouts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mapgan import holdout
from mapgan.datasets import DatasetError
from mapgan.doctor.examine import examine
from tests.mapgan import faults
from tests.mapgan.test_doctor import SIDE, draw_pair, named, run, write_pairs


def write_domains(root: Path, *, shared: bool) -> None:
    """trainA and trainB of ten pictures each, of equal names or of none."""
    for half, columns in (("A", slice(0, SIDE)), ("B", slice(SIDE, None))):
        (root / f"train{half}").mkdir(parents=True)
        for number in range(10):
            picture = draw_pair(np.random.default_rng(number))
            name = f"{number}.png" if shared else f"{half.lower()}{number}.png"
            faults.write(root / f"train{half}" / name, picture[:, columns])


def test_two_domains_are_examined_apart(tmp_path: Path) -> None:
    """No counterpart is missed; broken files, blanks and copies are found in either."""
    write_domains(tmp_path, shared=False)
    faults.empty(tmp_path / "trainA" / "a3.png", 0)
    faults.write(tmp_path / "trainB" / "b5.png", np.full((SIDE, SIDE, 3), 200, np.uint8))
    (tmp_path / "trainB" / "b11.png").write_bytes((tmp_path / "trainB" / "b7.png").read_bytes())
    report = examine(tmp_path)
    document = json.loads(report.to_json())
    assert (document["paired"], document["layout"], document["pairs"]) == (False, "unpaired", {"train": 20})
    found = {(finding.kind, finding.tiles) for finding in report.findings if finding.tiles}
    assert found >= {
        ("unreadable", ("trainA/a3",)), ("blank", ("trainB/b5",)), ("duplicate", ("trainB/b11", "trainB/b7")),
    }  # fmt: skip
    assert not named(report, "unpaired")
    assert (
        run(tmp_path, "--split", tmp_path / "lists", "--fraction", "0.2").exit_code == 1
    )  # of the broken one
    made = holdout.read(tmp_path / "lists")
    assert {name: len(side) for name, side in made.val.items()} == {"A": 2, "B": 2}
    assert "a3" not in {*made.train["A"], *made.val["A"]}
    assert ("b11" in made.val["B"]) == ("b7" in made.val["B"])


def test_an_archive_of_two_folders(tmp_path: Path) -> None:
    """CycleGAN's folders whose names all agree are pairs, also inside a zip, and the report says so."""
    write_domains(tmp_path / "data", shared=True)
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "data")
    result = run(archive, "--json", tmp_path / "report.json")
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "report.json").read_text())
    assert (document["layout"], document["pairs"]) == ("folders", {"train": 10})
    assert [finding["kind"] for finding in document["findings"]] == ["paired_set"]
    result = run(archive, "--json", tmp_path / "report.json", "--unpaired")
    document = json.loads((tmp_path / "report.json").read_text())
    assert (result.exit_code, document["layout"], document["pairs"]) == (0, "unpaired", {"train": 20})


def test_numbers_used_in_both_domains(tmp_path: Path) -> None:
    """1 to N and 1 to M are two domains, as a training takes them, and so is testA, testB beside them."""
    write_domains(tmp_path, shared=True)
    for half in "AB":
        shutil.copytree(tmp_path / f"train{half}", tmp_path / f"test{half}")
    (tmp_path / "trainB" / "4.png").unlink()
    report = examine(tmp_path)
    assert (report.layout, report.pairs, report.count("error")) == ("unpaired", {"train": 19, "test": 20}, 0)
    told = [finding.message for finding in report.findings if finding.kind == "unpaired_set"]
    assert "If they are pairs, these have no counterpart: 4" in told[0]
    assert "counterpart" not in told[1]


@pytest.mark.parametrize("pairs_first", [True, False])
def test_splits_of_other_layouts(tmp_path: Path, pairs_first: bool) -> None:
    """Each is examined as what it is, and a warning says that they differ."""
    write_domains(tmp_path, shared=False)
    if pairs_first:
        for half in "AB":
            (tmp_path / f"train{half}").rename(tmp_path / f"test{half}")
    pairs, domains = ("train", "test") if pairs_first else ("val", "train")
    faults.blank(write_pairs(tmp_path / pairs, 12)[0], 0)
    faults.write(tmp_path / f"{domains}B" / "b5.png", np.full((SIDE, SIDE, 3), 200, np.uint8))
    report = examine(tmp_path)
    assert report.pairs == {pairs: 12, domains: 20}
    assert len(named(report, "blank")) == 2
    (mixed,) = [finding for finding in report.findings if finding.kind == "mixed_layouts"]
    assert mixed.severity == "warning"
    assert f"pairs in {pairs} and two domains in {domains}" in mixed.message
    with pytest.raises(DatasetError, match="no two folders"):
        examine(write_pairs(tmp_path / "alone", 3)[0].parent, unpaired=True)
