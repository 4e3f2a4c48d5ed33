"""`govorun models worth`: whether an instance of one's own would have paid."""

from __future__ import annotations

from collections.abc import Callable

from bot.billing.instances import Instance, worth
from bot.billing.pricing import shown
from bot.clock import Clock, SystemClock
from bot.config.settings import Settings
from bot.errors import BadInput
from bot.providers import catalog
from bot.runtime.models import instances
from bot.storage.store import Store

DAYS = 30


async def tell_worth(
    settings: Settings, bot: int, name: str, than: str, say: Callable[[str], None], clock: Clock | None = None
) -> None:  # fmt: skip
    """Say what the tokens of the last 30 days cost by the token, and what the hours of an instance cost. Raises
    `BadInput` for a name that is no instance, or nothing to compare with.
    """
    instance = next((one for one in instances(settings) if one.name == name), None)
    if instance is None:
        raise BadInput(f"{name} is no instance: a row of MODELS with a uri and a price_hour makes one")
    row = next(row for row in settings.models if row.name == name)
    other = than or row.stand_in
    if not other or not instance.price_hour:
        raise BadInput(f"what is {name} compared with? --than names a model, and price_hour its price for an hour")
    clock = clock or SystemClock()
    until = clock.time()
    since = until - DAYS * 86_400
    async with Store.open(settings.database_url, clock, writes=False) as store:
        used = await store.read(lambda tx: tx.ledger.tokens_by_model(bot, since))
    found = worth(instance, used, frozenset({name, other}), catalog.profile(other, settings.models), (since, until))
    by_token, by_hour = (shown("en", amount, settings.currency) for amount in (found.by_token, found.by_hour))
    say(f"In the last {DAYS} days {name} and {other} were asked {found.usage.prompt:,} tokens and wrote")
    say(f"{found.usage.completion:,}. By the token ({other}) that costs {by_token}; {_hours(instance)} cost {by_hour}.")
    less = shown("en", abs(found.by_token - found.by_hour), settings.currency)
    say(f"The instance {'would have paid: it is' if found.pays else 'would not have paid: it is'} "
        f"{less} {'cheaper' if found.pays else 'dearer'}.")  # fmt: skip


def _hours(instance: Instance) -> str:
    return "its hours" if instance.hours is not None else f"{DAYS * 24} hours (MODELS does not say when it runs)"
