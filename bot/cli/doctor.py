"""`govorun doctor`: checks for real what the bot needs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.app import chosen_app
from bot.cli.terminal import ask
from bot.errors import ConfigError

if TYPE_CHECKING:
    from bot.config.multi_bot import Plan
    from bot.doctor.finding import Finding

COLOURS = {"ok": "green", "warn": "yellow", "FAIL": "red"}


def examine(
    paid: Annotated[bool, typer.Option("--paid", help="Also draw a picture; its price is said before.")] = False,
    model: Annotated[
        bool,
        typer.Option(
            "--model", help="Only ask MODEL ten questions with sources, and say which level of KNOWLEDGE it suits."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to the price of --model without being asked.")] = False,
) -> None:
    """Check for real everything that the bot needs, and say what to do about each problem (exit code 1 if there is
    one).
    """
    from bot.config import multi_bot
    from bot.config.settings import has_key, load
    from bot.doctor.machine import unreadable
    from bot.telemetry import logging
    from bot.texts import added

    try:
        settings = load()
        plan = multi_bot.plan(settings, load) if multi_bot.files(settings) else multi_bot.Plan(settings, {"": settings})
        studio = not ((own := chosen_app.find_app()) and own.extension.ai.models) or has_key(settings)
        added.read(own.extension.texts if own else None)
    except ConfigError as error:
        sys.exit(1 if [finding for finding in unreadable(error) if _tell(finding)] else 0)
    logging.configure("CRITICAL", plan.secrets())  # the findings say what the log would
    failures = _examine_answers(plan, agrees=yes) if model else _examine_bots(plan, paid=paid, studio=studio)
    sys.exit(1 if asyncio.run(failures) else 0)


async def _examine_bots(plan: Plan, *, paid: bool, studio: bool) -> list[Finding]:
    """Print the findings of each bot, below its name if there are several. Returns the failures.

    With `paid` a picture is bought. `studio` False: all models are the programmer's own.
    """
    from bot.config.multi_bot import ENDING
    from bot.doctor.examination import examine
    from bot.doctor.finding import Spending, fail
    from bot.runtime.models import for_studio

    refused = [fail("settings", f"{name}{ENDING}: {why}") for name, why in plan.refused.items()]
    wrong = [finding for finding in refused if _tell(finding)]
    for name, settings in plan.bots.items():
        if name:
            typer.echo(f"\n{name}{ENDING}")
        file = (plan.process.bots or Path()) / f"{name}{ENDING}"
        spending = Spending.PICTURE if paid else Spending.LITTLE
        if (own := chosen_app.find_app()) is not None:
            settings = for_studio(settings, own.extension)
        found = examine(settings, env_file=file, spending=spending, studio=studio)
        wrong += [finding async for finding in found if _tell(finding)]
    return wrong


async def _examine_answers(plan: Plan, *, agrees: bool) -> list[Finding]:
    """Have the model of each bot answer from sources, and print how well it does. Returns the failures."""
    from bot.clock import SystemClock
    from bot.doctor.source_answers import check_source_answers
    from bot.knowledge.base import check_libraries

    check_libraries()

    def agree(question: str) -> bool:
        if agrees:
            typer.echo(question.removesuffix(" Go on?"))
        return agrees or ask(question)

    wrong: list[Finding] = []
    for settings in {one.model: one for one in plan.bots.values()}.values():
        found = check_source_answers(settings, SystemClock(), agree)
        wrong += [finding async for finding in found if _tell(finding)]
    return wrong


def _tell(finding: Finding) -> bool:
    """Print a finding, in colours on a terminal only. Returns whether it is a failure."""
    verdict = typer.style(f"{finding.verdict:<4}", fg=COLOURS[finding.verdict])
    typer.echo(f"{verdict}  {finding.leg:<9}  {finding.text}")
    if finding.advice:
        typer.echo(f"{'':17}{finding.advice}")
    return finding.verdict == "FAIL"
