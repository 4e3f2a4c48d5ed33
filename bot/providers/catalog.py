"""What the models of AI Studio can do and cost, as data in `catalog.toml`. Begin at `profile`.

Operators overrule a row with MODELS, and a model without a row works with the safe defaults of `Profile`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.ai import Profile
from bot.config.entries import ModelConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A row of the catalogue. `title`: "" for a model that is not in the built-in list; `until` is its last day.

    `is_fixed`: the vendor asks for a URI without a version, since a new version gets a new name.
    """

    name: str
    profile: Profile
    title: str
    kind: str
    successor: str
    until: date | None
    is_fixed: bool


def profile(name: str, extra: Sequence[ModelConfig] = ()) -> Profile:
    """Return the profile of a model by any of its names: `yandexgpt`, `lite`, `yandexgpt/rc`,
    `gpt://folder/yandexgpt/latest`.

    A row of `extra` for that model overrules the table. The suffix of a tuned model (`@...`) does not matter, unless a
    row names it.
    """
    row = entry(name, extra)
    model, version = parts(row.model or name if row else name)
    known = KNOWN.get(f"{model}/{version}") or KNOWN.get(model)
    found = known.profile if known else Profile()
    if row is None:
        return found
    if row.url or row.agent:
        found = Profile(native=False)
    changes = row.model_dump(include=OVERRULED, exclude_none=True)
    found = replace(found, **changes, remembers=row.memory == "service")
    return found if found.native else replace(found, asynchronous=False)


def parts(name: str) -> tuple[str, str]:
    """Split a model's name or URI into model (short names resolved) and version ("latest" by default)."""
    bare = name.partition("://")[2].partition("/")[2] if "://" in name else name
    model, _, version = bare.partition("@")[0].partition("/")
    return ALIASES.get(model, model), version or "latest"


def choices(extra: Sequence[ModelConfig] = ()) -> Sequence[ModelConfig]:
    """Return the models that users may choose from: those that the operator has listed, otherwise the built-in list.
    All have a title.
    """
    rows = extra or BUILT_IN
    return tuple(row if row.title else row.model_copy(update={"title": row.name}) for row in rows)


def entry(name: str, extra: Sequence[ModelConfig]) -> ModelConfig | None:
    """Return the operator's row of MODELS for a model, None if there is none."""
    exact = (row for row in extra if row.name == name)
    same = (row for row in extra if "@" not in row.name and parts(row.name) == parts(name))
    return next(exact, None) or next(same, None)


def known(name: str) -> KnownModel | None:
    """Return the row of a model by any of its names; None for a model that the catalogue does not have."""
    model, version = parts(name)
    return KNOWN.get(f"{model}/{version}") or KNOWN.get(model)


def former_names(name: str) -> Sequence[str]:
    """Return the older names of a model that the vendor still knows."""
    return [row.name for row in KNOWN.values() if row.successor == name and row.until is None]


def offered_names(model: str, extra: Sequence[ModelConfig] = ()) -> Collection[str]:
    """Return every name by which a file may ask for a model that is offered; `model` is the default."""
    names = [model, *(row.name for row in choices(extra))]
    return {*names, *(former for name in names for former in former_names(name))}


def model_that_sees(*, batch: bool) -> str:
    """Return a model that sees pictures: one that batch runs take, or one of the built-in list."""
    return next(
        row.name for row in KNOWN.values() if row.profile.vision and (row.name in BATCH_MODELS if batch else row.title)
    )


def next_of_kind(name: str, there: Collection[str]) -> str:
    """Return the model that takes the place of one that is gone: its successor, else the first of its kind, else the
    first of the built-in list. Only models of `there` (names without a version) count; "" if none is there.
    """
    row = known(name)
    candidates = [row.successor] if row else []
    candidates += [one.name for one in KNOWN.values() if row and one.kind == row.kind]
    candidates += [one.name for one in KNOWN.values() if one.title]
    return next((one for one in candidates if one != name and one in there), "")


def _rows(table: Mapping[str, Mapping[str, Any]]) -> Iterator[KnownModel]:
    for name, row in table.items():
        price = {key: Decimal(value) for key, value in row.get("price", {}).items()}
        is_native = row.get("native", False)
        yield KnownModel(
            name=name,
            title=row.get("title", ""),
            kind=row["kind"],
            successor=row.get("successor", ""),
            until=row.get("until"),
            is_fixed=not row.get("latest", True),
            profile=Profile(
                window=row.get("window", 32_768),
                max_tokens=8_000,
                tools=True,
                vision=row.get("sees", False),
                reasoning=row.get("reasoning", False),
                native=is_native,
                asynchronous=is_native,
                price_in=price.get("input", Decimal(0)),
                price_out=price.get("output", Decimal(0)),
                price_cached=price.get("cached"),
                price_tools=price.get("tools"),
            ),
        )


OVERRULED = {
    "window",
    "max_tokens",
    "price_in",
    "price_out",
    "price_cached",
    "price_tools",
    "batch_share",
    "currency",
    "vision",
    "tools",
    "reasoning",
    "native",
}

ALIASES: Mapping[str, str] = {
    "lite": "yandexgpt-lite",
    "pro": "yandexgpt",
    "yandexgpt-pro": "yandexgpt",
    "alice": "aliceai-llm",
    "aliceai": "aliceai-llm",
    "art": "yandex-art",
    "yandexart": "yandex-art",
}

_TABLE = tomllib.loads((Path(__file__).parent / "catalog.toml").read_text(encoding="utf-8"))
DATED: date = _TABLE["dated"]
KNOWN: Mapping[str, KnownModel] = {row.name: row for row in _rows(_TABLE["models"])}
BUILT_IN: Sequence[ModelConfig] = [ModelConfig(name=row.name, title=row.title) for row in KNOWN.values() if row.title]
BATCH_MODELS: Collection[str] = frozenset(_TABLE["batch"]["models"])
PICTURES: Mapping[str, str] = _TABLE["pictures"]
FIXED: Collection[str] = {  # scheme and name
    *(f"gpt{row.name}" for row in KNOWN.values() if row.is_fixed),
    *(f"art{name}" for name, api in PICTURES.items() if api == "images"),
}
