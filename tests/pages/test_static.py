"""What pages are made of: nothing inline, nothing from elsewhere, third-party files as published."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
STATIC = ROOT / "static"
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SVG_NAMESPACE = "http://www.w3.org/2000/svg"
OWN = sorted([*(STATIC / "css").glob("*.css"), *(STATIC / "js").glob("*.js")])


def test_vendored_files_are_what_the_manifest_says() -> None:
    manifest = json.loads((STATIC / "vendor" / "manifest.json").read_text())
    named = {file: digest for package in manifest.values() for file, digest in package["files"].items()}
    there = {
        str(path.relative_to(STATIC / "vendor")): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (STATIC / "vendor").rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert there == named
    for name, package in manifest.items():
        assert package["licence"]
        assert f"{name}/LICENSE" in package["files"]


def test_the_vendored_version_is_the_one_named() -> None:
    manifest = json.loads((STATIC / "vendor" / "manifest.json").read_text())
    script = (STATIC / "vendor" / "htmx" / "htmx.min.js").read_text()
    assert f'version:"{manifest["htmx"]["version"]}"' in script


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_nothing_inline(path: Path) -> None:
    html = path.read_text()
    assert not re.search(r"\sstyle\s*=", html)
    assert not re.search(r"\son[a-z]+\s*=", html)
    assert "<style" not in html
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert "hx-on" not in html
    assert "hx-vals='js:" not in html


@pytest.mark.parametrize("path", [*TEMPLATES, *OWN], ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    text = path.read_text().replace(SVG_NAMESPACE, "")  # a name, which nobody fetches
    assert not re.search(r"https?://|(?:src|href)=\"//", text)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 400
