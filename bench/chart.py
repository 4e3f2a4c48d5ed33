"""`python -m bench.chart results.json chart.svg`: bars with numbers, one pair a measure, for light and dark pages.

Each measure has a scale of its own. What is shown is the table at the foot.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bench.figures import Figures

WIDTH, LABELS, NUMBERS = 760, 300, 90
BAR, GAP, HEAD = 13, 14, 46
STYLE = """
text { font: 13px -apple-system, "Segoe UI", "Noto Sans", sans-serif; fill: #1f2328 }
.note, .number { font-size: 11px } .note { fill: #59636e }
.first { fill: #0969da } .other { fill: #afb8c1 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .note { fill: #9198a1 } .first { fill: #4493f8 } .other { fill: #59636e }
}
"""


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of the chart: where the number is and how it is called. `more` True: the longer bar is the better."""

    scenario: str
    figure: str
    title: str
    unit: str = ""
    more: bool = False


def chart(scenarios: dict[str, dict[str, Figures]], bots: tuple[str, ...]) -> str:
    """The SVG. Measures that no bot has are left out; the first bot is the one in colour."""
    rows, y = [], HEAD
    for measure in MEASURES:
        found = scenarios.get(measure.scenario, {})
        values = {bot: value for bot in bots if (value := found.get(bot, {}).get(measure.figure)) is not None}
        if values:
            rows += _measure(measure, values, bots, y)
            y += BAR * len(bots) + GAP
    legend = _legend(bots)
    size = f'width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{" and ".join(bots)} compared">'
    return "\n".join([head, f"<style>{STYLE}</style>", *legend, *rows, "</svg>", ""])


def _legend(bots: tuple[str, ...]) -> list[str]:
    lines = []
    for place, bot in enumerate(bots):
        x = LABELS + place * 120
        lines.append(f'<rect class="{_class(place)}" x="{x}" y="12" width="12" height="12" rx="2"/>')
        lines.append(f'<text x="{x + 18}" y="22">{escape(bot)}</text>')
    return lines


def _measure(measure: Measure, values: dict[str, float], bots: tuple[str, ...], y: int) -> list[str]:
    better = "more is better" if measure.more else "less is better"
    lines = [
        f'<text x="0" y="{y + 11}">{escape(measure.title)}</text>',
        f'<text class="note" x="0" y="{y + 11 + BAR}">{better}</text>',
    ]
    longest = max(values.values()) or 1.0
    for place, bot in enumerate(bots):
        top, value = y + place * BAR, values.get(bot)
        width = 0 if value is None else round((WIDTH - LABELS - NUMBERS) * value / longest, 1)
        number = "–" if value is None else f"{_number(value)} {measure.unit}".strip()
        lines.append(
            f'<rect class="{_class(place)}" x="{LABELS}" y="{top}" width="{width}" height="{BAR - 2}" rx="2"/>'
        )
        lines.append(f'<text class="number" x="{LABELS + width + 6}" y="{top + 10}">{number}</text>')
    return lines


def _class(place: int) -> str:
    return "other" if place else "first"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 20 else f"{value:.1f}"


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    scenarios: dict[str, dict[str, Figures]] = json.loads(source.read_text())["scenarios"]
    bots = tuple(dict.fromkeys(bot for figures in scenarios.values() for bot in figures))
    target.write_text(chart(scenarios, bots))


MEASURES = (
    Measure("stream", "lag p50 ms", "Lag of the visible text, median", "ms"),
    Measure("stream", "lag p95 ms", "… 95th percentile", "ms"),
    Measure("stream", "overhead p50 ms", "Message there → model asked, 5 people", "ms"),
    Measure("overhead_rtt", "overhead p50 ms", "… 1 person, Telegram 50 ms away", "ms"),
    Measure("burst", "answered", "Three messages in 0.1 s: answered of 60", more=True),
    Measure("crowd", "answered", "40 people at once: answered of 80", more=True),
    Measure("faults", "text good", "A bad day: answered whole of 40", more=True),
    Measure("markdown", "text good", "Markdown shown right, of 15", more=True),
    Measure("kill", "lost in flight", "kill -9 with 20 answers under way: lost"),
    Measure("saturate", "answers a second", "Answers a second on one core", "/s", more=True),
    Measure("stream", "CPU an answer ms", "CPU for an answer of 200 tokens", "ms"),
    Measure("memory", "memory at rest MB", "Memory at rest", "MB"),
    Measure("memory", "memory after MB", "… after 1,000 chats of 20 messages", "MB"),
    Measure("stream", "start s", "Start to the first poll", "s"),
)


if __name__ == "__main__":
    main()
