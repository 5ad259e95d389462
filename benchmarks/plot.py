"""The report as a picture: bars side by side, a panel for each work; SVG for light and for dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from benchmarks.contenders import ALL, OURS
from benchmarks.report import NOTHING, number

SHOWN = (
    "returning guest sign-in",
    "first-time guest",
    "code, live session",
    "refresh with rotation",
    "client credentials",
)
"""Works that sign something; the others would be too small to see."""
COLUMNS, WIDTH, NAMES, MARGIN = 3, 940, 190, 24
LINE, BAR, HEAD, TITLE = 24, 15, 40, 52
OF_BARS = 0.72
"""What the longest bar takes of its panel; behind it stands its number."""
HEADLINE = "CPU milliseconds on one core, database counted: shorter is better"
STYLE = """
    :root { --ink: #1f2328; --soft: #59636e; --us: #0969da; --us2: #54a3f3; --peer: #c8ced6; --axis: #d1d9e0 }
    @media (prefers-color-scheme: dark) {
      :root { --ink: #e6edf3; --soft: #9198a1; --us: #4493f8; --us2: #2f65ab; --peer: #4a525c; --axis: #3d444d }
    }
    text { fill: var(--ink) } .soft { fill: var(--soft) } .us { font-weight: 600 }
    .head { font-weight: 600; font-size: 14px } .title { font-weight: 600; font-size: 17px }
    .axis { stroke: var(--axis) } .bar0 { fill: var(--us) } .bar1 { fill: var(--us2) } .peer { fill: var(--peer) }"""


def picture(report: Mapping[str, Any]) -> str:
    """An SVG of this report."""
    panels = list(_panels(report).items())
    names = [kind.name for kind in ALL if any(kind.name in values for _, values in panels)]
    rows = [panels[n : n + COLUMNS] for n in range(0, len(panels), COLUMNS)]
    row_height = HEAD + LINE * len(names) + 16
    height = TITLE + row_height * len(rows)
    body = [line for n, row in enumerate(rows) for line in _row(row, names, TITLE + n * row_height)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t d"'
            " font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\" font-size=\"13\">",
            '  <title id="t">b2b-idp beside its peers</title>',
            f'  <desc id="d">{escape(_told(panels))}</desc>',
            f"  <style>{STYLE}\n  </style>",
            f'  <text class="title" x="{MARGIN}" y="30">{HEADLINE}</text>',
            *body,
            "</svg>\n",
        ]
    )


def _panels(report: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """By title of a panel the value of each contender that has one."""
    panels: dict[str, dict[str, float]] = {}
    for work, by_name in report.get("speed", {}).items():
        if work in SHOWN:
            found = {name: of["cpu_ms"]["median"] for name, of in by_name.items() if "cannot" not in of}
            panels[f"{work[0].upper()}{work[1:]}"] = found
    slowest = {name: of["browsers"]["8"]["p99_ms"] for name, of in report.get("crowd", {}).items()}
    panels["p99 with 8 browsers, ms"] = {n: v for n, v in slowest.items() if v is not None}
    return {title: values for title, values in panels.items() if values}


def _told(panels: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """The picture for those who do not see it."""
    return " ".join(
        f"{title}: " + ", ".join(f"{n} {number(v)}" for n, v in values.items()) + "." for title, values in panels
    )


def _row(panels: Sequence[tuple[str, Mapping[str, float]]], names: Sequence[str], top: int) -> Iterator[str]:
    """Panels beside each other, the contenders' names once at their left."""
    for n, name in enumerate(names):
        us = "soft" if _kind(name) == "peer" else "us"
        yield f'  <text class="{us}" x="{NAMES}" y="{_middle(top, n)}" text-anchor="end">{escape(name)}</text>'
    width = (WIDTH - NAMES - MARGIN) / COLUMNS
    for column, (title, values) in enumerate(panels):
        yield from _panel(title, values, names, NAMES + 12 + column * width, top, width)


def _panel(
    title: str, values: Mapping[str, float], names: Sequence[str], left: float, top: int, width: float
) -> Iterator[str]:
    yield f'  <text class="head" x="{left:.0f}" y="{top + 22}">{escape(title)}</text>'
    first, last = top + HEAD - 4, top + HEAD + LINE * len(names) - 4
    yield f'  <path class="axis" d="M{left:.0f} {first}V{last}"/>'
    for n, name in enumerate(names):
        value = values.get(name)
        long = 0.0 if value is None else value / max(values.values()) * width * OF_BARS
        if value is not None:
            kind = _kind(name)
            at = f'x="{left + 1:.0f}" y="{top + HEAD + n * LINE}" width="{long:.1f}" height="{BAR}" rx="2"'
            yield f'  <rect class="{kind}" {at}/>'
        label = NOTHING if value is None else number(value)
        yield f'  <text x="{left + long + 7:.1f}" y="{_middle(top, n)}">{label}</text>'


def _kind(name: str) -> str:
    ours = [kind.name for kind in OURS]
    return f"bar{ours.index(name)}" if name in ours else "peer"


def _middle(top: int, n: int) -> int:
    """The base of a text beside the n-th bar."""
    return top + HEAD + n * LINE + BAR - 3
