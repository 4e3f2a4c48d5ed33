"""What the models can do and cost, as data. Begin at `profile`; the table is at the foot.

A row here is what the vendor's pages and field reports said in 2026. Operators overrule it with MODELS, and a model
without a row works with the safe defaults of `Profile`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from bot.ai import Profile
from bot.config.entries import ModelConfig


def profile(name: str, extra: Sequence[ModelConfig] = ()) -> Profile:
    """Return the profile of a model by any of its names: `yandexgpt`, `lite`, `yandexgpt/rc`,
    `gpt://folder/yandexgpt/latest`.

    A row of `extra` for that model overrules the table. The suffix of a tuned model (`@...`) does not matter, unless a
    row names it.
    """
    row = entry(name, extra)
    model, version = parts(row.model or name if row else name)
    found = PROFILES.get(f"{model}/{version}") or PROFILES.get(model) or Profile()
    if row is None:
        return found
    if row.url or row.agent:
        found = Profile(native=False)
    changes = row.model_dump(include=OVERRULED, exclude_none=True)
    found = replace(found, **changes)
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


OVERRULED = {
    "window", "max_tokens", "price_in", "price_out", "batch_share", "currency", "vision", "tools", "reasoning",
    "native",
}  # fmt: skip

ALIASES: Mapping[str, str] = {
    "lite": "yandexgpt-lite",
    "pro": "yandexgpt",
    "yandexgpt-pro": "yandexgpt",
    "alice": "aliceai-llm",
    "aliceai": "aliceai-llm",
    "art": "yandex-art",
    "yandexart": "yandex-art",
}

BUILT_IN: Sequence[ModelConfig] = (
    ModelConfig(name="yandexgpt", title="YandexGPT Pro"),
    ModelConfig(name="yandexgpt-lite", title="YandexGPT Lite"),
    ModelConfig(name="yandexgpt/rc", title="YandexGPT Pro 5.1"),
    ModelConfig(name="aliceai-llm", title="Alice AI"),
    ModelConfig(name="qwen3-235b-a22b-fp8", title="Qwen3 235B"),
    ModelConfig(name="gpt-oss-120b", title="gpt-oss 120B"),
    ModelConfig(name="gemma-3-27b-it", title="Gemma 3 27B"),  # the one of them that sees pictures
)


def _native(price_in: str, price_out: str, *, reasoning: bool = False) -> Profile:
    return replace(_open(32_768, price_in, price_out, reasoning=reasoning), native=True, asynchronous=True)


def _open(
    window: int, price: str = "0", price_out: str = "", *, vision: bool = False, reasoning: bool = False
) -> Profile:
    """Return the profile of a model that only the OpenAI-compatible API serves."""
    return Profile(
        window=window, max_tokens=8_000, tools=True, vision=vision, reasoning=reasoning, native=False,
        price_in=Decimal(price), price_out=Decimal(price_out or price),
    )  # fmt: skip


# Roubles for 1,000 tokens, synchronous. Lite costs one unit (about 0.20); Pro 5 six, Pro 5.1 four, the open ones as the
# vendor's table of multipliers says. Alice and DeepSeek by field reports.
PROFILES: Mapping[str, Profile] = {
    "yandexgpt-lite": _native("0.20", "0.20"),
    "yandexgpt": _native("1.20", "1.20", reasoning=True),
    "yandexgpt-5-lite": _native("0.20", "0.20"),
    "yandexgpt-5-pro": _native("1.20", "1.20", reasoning=True),
    "yandexgpt/rc": _native("0.80", "0.80"),
    "yandexgpt-5.1": _native("0.80", "0.80"),
    "aliceai-llm": _native("0.50", "1.20"),
    "aliceai-llm-flash": _open(65_536, "0.10", "0.20"),
    "qwen3-235b-a22b-fp8": _open(262_144, "0.50"),
    "qwen3.6-35b-a3b": _open(131_072),
    "gpt-oss-120b": _open(131_072, "0.30", reasoning=True),
    "gpt-oss-20b": _open(131_072, "0.10", reasoning=True),
    "gemma-3-27b-it": _open(131_072, "0.40", vision=True),
    "deepseek-v32": _open(131_072, reasoning=True),
    "deepseek-v4-flash": _open(1_000_000, "0.30", "0.50", reasoning=True),
    "deepseek-v4.1-flash": _open(131_072, reasoning=True),
}
