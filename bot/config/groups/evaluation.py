"""The evaluation of answers: cases, and when they are asked by themselves."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from pydantic import Field, field_validator

from bot.config.groups import SettingsGroup

TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class EvaluationSettings(SettingsGroup):
    """Cases that are asked again before a change (`govorun eval`; docs/evaluation.md)."""

    eval_cases: Path | None = Field(
        None,
        description="Folder with files of cases (docs/evaluation.md). With it owners and admins have /eval, and the "
        "bot tells owners when a persona, prompts or topics have changed and when another version of a model answers; "
        "empty = none of that (govorun eval looks into eval)",
    )
    eval_at: str = Field(
        "", description="When all cases are asked by themselves each night, such as 03:30 (UTC); empty = never"
    )
    eval_budget: Decimal = Field(
        Decimal(0), ge=0, description="What such a night may cost, in CURRENCY; 0 = as much as it takes"
    )

    @field_validator("eval_at")
    @classmethod
    def _time(cls, value: str) -> str:
        if value and not TIME.fullmatch(value):
            raise ValueError("a time like 03:30 is expected")
        return value
