"""`python -m bench`: bots side by side in the same world, round by round; medians as a table and as JSON.

What can be asked for is at the foot. Scenarios are in `scenarios`, what happens in them in `runs`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from bench.figures import Figures, merged
from bench.runs import run
from bench.scenarios import SCENARIOS, Scenario

HERE = Path(__file__).parent
Results = dict[str, dict[str, Figures]]


async def measure(options: argparse.Namespace) -> Results:
    """Every scenario with every bot, bots in turn within a round."""
    results: Results = {}
    for name in options.scenario:
        scenario = SCENARIOS[name]
        rounds: dict[str, list[Figures]] = {bot: [] for bot in options.bot}
        for number in range(options.rounds if scenario.repeat else 1):
            for bot in options.bot:
                if (file := bot_file(bot, scenario)) is None:
                    continue
                begun = time.monotonic()
                try:
                    rounds[bot].append(await run(file, scenario, options.out / "data" / f"{name}.{bot}"))
                except RuntimeError as error:
                    tell(f"{name}, {bot}: {error}")
                    continue
                tell(f"{name}, {bot}, round {number + 1}: {time.monotonic() - begun:.0f} s")
        results[name] = {bot: merged(found) for bot, found in rounds.items() if found}
        tell(table(name, results[name]))
    return results


def bot_file(bot: str, scenario: Scenario) -> Path | None:
    """The file of a bot for a scenario; None where the scenario is not for it."""
    if scenario.restart and bot == "plain":
        return None
    unlimited = HERE / f"{bot}-unlimited.toml"
    return unlimited if scenario.unlimited and unlimited.exists() else HERE / f"{bot}.toml"


def table(title: str, bots: dict[str, Figures]) -> str:
    names = dict.fromkeys(name for figures in bots.values() for name in figures)
    lines = [f"### {title}", "", f"| | {' | '.join(bots)} |", "|---" * (len(bots) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(shown(bots[bot].get(name)) for bot in bots)} |" for name in names]
    return "\n".join([*lines, ""])


def shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def written(results: Results, out: Path) -> None:
    """`results.json` and `results.md` in `out`."""
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "system": platform.platform()}
    found: dict[str, Any] = {"when": time.strftime("%Y-%m-%d"), "machine": machine, "scenarios": results}
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (out / "results.md").write_text("\n".join(table(name, bots) for name, bots in results.items()))


def listed(text: str) -> list[str]:
    return text.split(",")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--scenario", type=listed, default=list(SCENARIOS), help=f"of {','.join(SCENARIOS)}")
    parser.add_argument("--bot", type=listed, default=["govorun", "plain"], help="govorun,plain or other bot files")
    parser.add_argument("--rounds", type=int, default=3, help="of the scenarios that measure time; medians are shown")
    parser.add_argument("--out", type=Path, default=Path("results"), help="where results and logs go")
    options = parser.parse_args()
    if unknown := [name for name in options.scenario if name not in SCENARIOS]:
        parser.error(f"there is no scenario {', '.join(unknown)}")
    options.out = options.out.absolute()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    chosen = arguments()
    written(asyncio.run(measure(chosen)), chosen.out)
