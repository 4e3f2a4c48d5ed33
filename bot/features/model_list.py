"""What the offered models can do and cost, in words: the list of `/model`."""

from __future__ import annotations

from decimal import Decimal

from bot.ai import Profile
from bot.billing.pricing import currency
from bot.llm.routing import ModelOption, Routing
from bot.texts.catalog import known, say

SIGNS = {"vision": "👁", "tools": "🔧", "reasoning": "🧠", "asynchronous": "🕓"}
MILLION = 1_000_000


def listed(routing: Routing, now: ModelOption, language: str) -> str:
    """Each model and, below its title, what it can do."""
    rows = [f"{'✓' if offer is now else '•'} {offer.title}\n{ability(offer, language)}" for offer in routing.options]
    return "\n".join(rows)


def ability(offer: ModelOption, language: str) -> str:
    profile = offer.model.profile
    can = [f"{sign} {say(language, f'can.{name}')}" for name, sign in SIGNS.items() if getattr(profile, name)]
    return " · ".join([*can, say(language, "can.window", tokens=window(profile.window)), *price(profile, language)])


def window(tokens: int) -> str:
    """32_768 -> "32K", 4_000 -> "4K"."""
    return f"{tokens / MILLION:g}M" if tokens >= MILLION else f"{round(tokens / 1024)}K"


def price(profile: Profile, language: str) -> list[str]:
    """Nothing where it is not known, or there is none."""
    if not profile.price_in and not profile.price_out:
        return []
    both = [_plain(amount, language) for amount in dict.fromkeys((profile.price_in, profile.price_out))]
    return [say(language, "can.price", price=f"{'/'.join(both)}\u00a0{currency(language, profile.currency)}")]


def _plain(amount: Decimal, language: str) -> str:
    text = f"{amount:.2f}" if amount == round(amount, 2) else f"{amount.normalize():f}"
    return text.replace(".", ",") if known(language) == "ru" else text
