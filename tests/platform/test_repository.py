"""The rules of `make lint` that no other linter knows, and the locks that installs are made from."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from scripts import check_repository, install
from tests.support.live import ROOT

LOCKS = ("web", "translate", "train", "dev")
GPU_LOCKS = ("translate-gpu", "train-gpu")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("long.py", "x = 1\n" * 401, "401 lines"),
        ("long.js", "x = 1;\n" * 500, "500 lines"),
        ("host.md", "see https://" + "pypi" + ".org/x\n", "package registry"),
        ("page.html", '<script src="//cdn.' + "jsdel" + 'ivr.net/x.js">', "content network"),
        ("wide.md", "A word " * 20 + "\n", "at most 120 columns"),
        ("path.cfg", "cache=/home/" + "somebody/.cache\n", "somebody's machine"),
    ],
)
def test_complaints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, complaint: str
) -> None:
    monkeypatch.setattr(check_repository, "ROOT", tmp_path)
    (tmp_path / name).write_text(text)
    assert [found for found in check_repository.complaints(name) if complaint in found]


def test_no_complaint_without_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_repository, "ROOT", tmp_path)
    (tmp_path / "good.py").write_text("x = 1\n" * 400)
    tables = "| cell " * 30 + "\n\n```\n" + "code " * 30 + "\n```\n\n# " + "heading " * 20
    (tmp_path / "good.md").write_text(tables + "\n\n- [a](" + "x" * 130 + ")\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0" + b"\n" * 1000)
    assert check_repository.complaints("good.py") == []
    assert check_repository.complaints("good.md") == []
    assert check_repository.complaints("picture.png") == []


def pins(lock: str) -> set[str]:
    """``name==version ; marker`` of every package in a lock."""
    text = (ROOT / "requirements" / f"{lock}.lock").read_text()
    return set(re.findall(r"^([a-z0-9][^\\\n]*?) *\\?$", text, re.MULTILINE))


def test_locks_agree_and_each_holds_the_smaller_one() -> None:
    for smaller, larger in pairwise(LOCKS):
        names = {pin.partition(" ")[0] for pin in pins(larger)}
        assert {pin.partition(" ")[0] for pin in pins(smaller)} <= names, (smaller, larger)


def test_every_pin_has_a_hash() -> None:
    for lock in (*LOCKS, *GPU_LOCKS, "uv"):
        text = (ROOT / "requirements" / f"{lock}.lock").read_text()
        for entry in re.split(r"\n(?=[a-z0-9])", text):
            assert "--hash=sha256:" in entry, entry[:80]


@pytest.mark.parametrize("lock", GPU_LOCKS)
def test_a_gpu_changes_no_other_version(lock: str) -> None:
    tested = {pin.partition(" ")[0] for pin in pins("dev")}
    for pin in (pin.partition(" ")[0] for pin in pins(lock)):
        alone = pin.startswith(("nvidia-", "onnxruntime-gpu==", "tensorflow=="))
        assert alone or pin in tested, f"{pin} is not what the tests ran with"


@pytest.mark.parametrize("lock", GPU_LOCKS)
def test_what_is_imported_without_a_gpu_is_there_with_one(lock: str) -> None:
    """The same code runs in both images; one package of each is another build of the same modules."""
    instead = {
        "train-gpu": {"tensorflow-cpu": "tensorflow"},
        "translate-gpu": {"onnxruntime": "onnxruntime-gpu"},
    }[lock]
    there = {pin.partition("==")[0] for pin in pins(lock)}
    for pin in pins(lock.removesuffix("-gpu")):
        name = pin.partition("==")[0]
        assert instead.get(name, name) in there or "win32" in pin, f"{lock}.lock lacks {name}"


def test_the_web_installs_no_framework() -> None:
    names = {pin.partition("==")[0] for pin in pins("web")}
    assert not names & {"tensorflow", "tensorflow-cpu", "keras", "onnxruntime", "jax"}


def test_make_help_lists_what_the_readme_promises() -> None:
    listed = subprocess.run(["make", "help"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    for command in ("run", "test", "lint", "format", "bench", "help"):
        assert f"make {command} " in listed


def test_an_install_that_is_up_to_date_returns_at_once() -> None:
    code = (
        "import sys; sys.path.insert(0, 'scripts'); import install; print(install.fingerprint('translate'))"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
        for _ in range(2)
    }
    assert len(prints) == 1
    assert len(prints.pop().strip()) == 64


@pytest.mark.parametrize("version", ["3.10.12 (main)", "3.14.0 (main)", "3.15.0a1+ (heads/main)"])
def test_a_python_without_our_packages_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str
) -> None:
    monkeypatch.setattr(sys, "version", version)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"3\.11, 3\.12 or 3\.13, and this is 3\.1[045]"):
        install.right_python()


def test_it_goes_on_under_a_python_that_fits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Became(Exception):  # noqa: N818 - instead of another program in this process
        pass

    def become(path: str, words: list[str]) -> None:
        raise Became(path, words[0])

    fitting = tmp_path / "python3.12"
    fitting.write_text("#!/bin/sh\n")
    fitting.chmod(0o755)
    monkeypatch.setattr(sys, "version", "3.14.0 (main)")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "execv", become)
    with pytest.raises(Became) as became:
        install.right_python()
    assert became.value.args == (str(fitting), str(fitting))


@pytest.mark.parametrize("version", ["3.11.0 (main)", "3.13.9 (main)"])
def test_a_python_that_fits_is_kept(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(sys, "version", version)
    install.right_python()


def test_every_module_of_the_library_is_for_django_or_kept_from_it() -> None:
    """A module that nobody thought of could be imported by any view."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    kept = contracts["importlinter:contract:light-door"]["forbidden_modules"].split()
    open_to_django = {"config", "presets", "card", "events", "imageio", "measures", "ranking", "sizing"}
    inside = {path.stem for path in (ROOT / "mapgan").iterdir() if path.suffix == ".py" or path.is_dir()}
    named = (
        {name.removeprefix("mapgan.") for name in kept} | open_to_django | {"inference"}
    )  # a door of its own
    assert inside - {"__init__", "__pycache__"} == named
