"""An evaluation as one page that needs nothing else: table, curves, pictures, definitions.

The page asks nobody for anything (its own content security policy forbids it), works without scripts,
and follows the reader's light or dark scheme; a few lines of script let the table be sorted.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Final

from mapgan.metrics import MEASURES, Measure
from mapgan.ranking import rule_of
from mapgan.report.charts import charts
from mapgan.report.pictures import gallery
from mapgan.report.table import TITLES, ranking, title_of
from mapgan.scoring import Result
from mapgan.whole import written

HERE: Final = Path(__file__).parent
POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
BETTER: Final = {"higher": "higher is better", "lower": "lower is better", "one": "nearest to 1 is best"}


def write_report(result: Result, out: Path, *, command: str = "") -> None:
    """Write the page, whole or not at all.

    Args:
        result: of an evaluation.
        out: the HTML file.
        command: shown, so that somebody can do it again.

    Raises:
        OSError: the file cannot be written.
    """
    page = render(result, command=command).encode()
    with written(out) as file:
        file.write(page)


def render(result: Result, *, command: str = "") -> str:
    """The page as text."""
    title = "Evaluation: " + ", ".join(TITLES[direction].lower() for direction in result.rows)
    sections = "".join(_section(result, direction) for direction in result.rows)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>{_styles()}</style>
</head>
<body>
<header>
<p class="eyebrow">MapGAN · evaluation</p>
<h1>{escape(", ".join(TITLES[direction] for direction in result.rows))}</h1>
<p class="muted">{_facts(result)}</p>
{_notes(result)}
</header>
<main>
{sections}
{_definitions(result)}
</main>
<footer class="muted">{_footer(command)}</footer>
<script>{(HERE / "report.js").read_text(encoding="utf-8")}</script>
</body>
</html>
"""


def _styles() -> str:
    """Both style sheets; the page must not ask for any."""
    return "".join((HERE / name).read_text(encoding="utf-8") for name in ("report.css", "figures.css"))


def _facts(result: Result) -> str:
    """What was measured on what."""
    facts = [f"{result.tiles:,} held-out {'tiles' if result.paired else 'pictures without pairs'}"]
    facts.append(f"list: {escape(result.label)}")
    if result.weights != "none":
        facts.append(f"{result.weights} weights")
    facts.append(f"{datetime.now(UTC):%Y-%m-%d}")
    return " · ".join(facts)


def _notes(result: Result) -> str:
    """What somebody may not expect, and who could not be measured."""
    notes = result.notes + [f"{each.name} is not measured: {each.error}" for each in result.failures]
    return "".join(f'<p class="muted small">Note: {escape(note)}</p>' for note in notes)


def _section(result: Result, direction: str) -> str:
    """One direction."""
    rows = result.rows[direction]
    heading = f"<h2>{TITLES[direction]}</h2>" if len(result.rows) > 1 else ""
    return f"""<section aria-label="{TITLES[direction]}" data-direction="{direction}">
{heading}
{_verdict(result, direction)}
{ranking(rows, direction)}
{charts(rows, direction)}
{gallery(rows, result.examples[direction])}
</section>"""


def _verdict(result: Result, direction: str) -> str:
    """The best in one sentence, beside the median colour."""
    best = result.best(direction)
    baselines = [row for row in result.rows[direction] if row.series == "median_colour"]
    name = next(name for name, _ in rule_of(direction) if name in best.measured.values)
    measure = MEASURES[name]
    text = (
        f"<strong>{escape(title_of(best))}</strong> is the best: {measure.title} "
        f"{_value(measure, best.measured.values[name])}"
    )
    if baselines and name in baselines[0].measured.values:
        text += f", where a flat picture has {_value(measure, baselines[0].measured.values[name])}"
    alone = sum(row.rank is not None for row in result.rows[direction]) == 1
    if alone:
        text = text.replace("</strong> is the best:", "</strong>:")
    rule = "" if alone else f' <span class="muted">Ranked by {escape(result.rule(direction))}.</span>'
    return f'<p class="verdict">{text}.{rule}</p>'


def _value(measure: Measure, value: float) -> str:
    return f"{measure.text(value)}{' ' + measure.unit if measure.unit else ''}"


def _definitions(result: Result) -> str:
    """Every measure that occurs."""
    there = {name for rows in result.rows.values() for row in rows for name in row.measured.values}
    entries = "".join(_definition(measure) for name, measure in MEASURES.items() if name in there)
    return f"""<section>
<details>
<summary>What the measures say, and what they do not</summary>
<p>Small figures below a value are its 95 % interval over the choice of tiles. Two generators measured on the
same tiles can differ for certain although their intervals overlap: the tiles are the same.</p>
<dl>{entries}</dl>
</details>
</section>"""


def _definition(measure: Measure) -> str:
    """One entry of the list."""
    unit = f", in {measure.unit}" if measure.unit else ""
    return (
        f"<dt>{escape(measure.title)}</dt><dd>{escape(measure.sees)} <em>Blind to:</em> "
        f"{escape(measure.misses[0].lower() + measure.misses[1:])} "
        f'<span class="muted">{BETTER[measure.better].capitalize()}{escape(unit)}.</span></dd>'
    )


def _footer(command: str) -> str:
    return f"<p>Made with</p><pre>{escape(command)}</pre>" if command else ""
