"""Names of uploads, made safe to show."""

from __future__ import annotations

import pytest

from translator.services.uploads import display_name


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("streets.png", "streets.png"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\windows\\map.png", "map.png"),
        ("../../", ""),
        ("", ""),
        ("map\x00\r\n\x1b[31m.png", "map [31m.png"),
        ("map\u202egnp.exe", "mapgnp.exe"),  # right-to-left override
        ("\u2066a\u2069\ufeff\u200b.png", "a.png"),
        ("  two   words\t.png ", "two words .png"),
        ("Stra\u00dfe \u5730\u56f3.png", "Stra\u00dfe \u5730\u56f3.png"),
        ("cafe\u0301.png", "caf\u00e9.png"),
        ("<script>alert(1)</script>.png", "script>.png"),
        ("x" * 300 + ".tiff", "x" * 115 + ".tiff"),
        ("x" * 300, "x" * 120),
        ("a." + "y" * 300, "a." + "y" * 118),
    ],
)
def test_display_name(given: str, shown: str) -> None:
    assert display_name(given) == shown


@pytest.mark.parametrize("given", ["\ud800.png", "\U000f0000.png", "\u0378.png"])
def test_what_no_database_or_font_takes(given: str) -> None:
    """Surrogates, private use, unassigned."""
    assert display_name(given) == "png"
