"""`govorun models`: which models there are, whether an instance pays, and models for the sandbox."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.terminal import Bots
from bot.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.config.settings import Settings
    from bot.ports import Say

app = typer.Typer(
    help="List models, reckon with instances, and download local models for the sandbox.", no_args_is_help=True
)
DAYS = 30  # with which the price of an instance is compared


@app.command("list")
def list_models() -> None:
    """List the models to choose from, with window, prices, abilities and last day: those that AI Studio offers your
    folder, or without a key those that Govorun knows.
    """
    from bot.config.settings import load
    from bot.providers import catalog

    names = asyncio.run(_offered(load()))
    if names is None:
        typer.echo("No key is set, so these are the models that Govorun knows:", err=True)
        names = sorted({*catalog.KNOWN, *catalog.BATCH_MODELS, *catalog.PICTURES})
    for name in names:
        typer.echo(f"{name:<50}  {_about(name)}".rstrip())
    typer.echo(
        f"Prices are for 1,000 tokens, as of {catalog.DATED}. Batch runs take other models, too: docs/batch.md",
        err=True,
    )


async def _offered(settings: Settings) -> Sequence[str] | None:
    from bot.runtime.opening import open_services

    async with open_services(settings) as services:
        return await services.studio.list_models() if services.is_keyed else None


@app.command()
def worth(
    name: Annotated[str, typer.Argument(help="An instance: a row of MODELS with a uri.")],
    than: Annotated[
        str, typer.Option(help="The model that is paid by the token; if not given, the instance's stand_in.")
    ] = "",
    bot: Bots = 0,
) -> None:
    """Say whether an instance of your own would have been cheaper in the last 30 days than paying by the token."""
    from bot.config import multi_bot
    from bot.config.settings import load

    settings = load()
    asyncio.run(compare_prices(settings, multi_bot.one_of(settings, bot), name, than, typer.echo))


async def compare_prices(settings: Settings, bot: int, name: str, than: str, say: Say) -> None:
    """Say what the tokens of the last 30 days cost by the token, and what the hours of an instance cost. Raises
    `BadInput` for a name that is no instance, or nothing to compare with.
    """
    from bot.billing.instances import worth
    from bot.billing.pricing import shown
    from bot.clock import SystemClock
    from bot.providers import catalog
    from bot.runtime.models import instances
    from bot.storage.store import Store

    instance = next((one for one in instances(settings) if one.name == name), None)
    if instance is None:
        raise BadInput(f"{name} is no instance: a row of MODELS with a uri and a price_hour makes one")
    other = than or next(row.stand_in for row in settings.models if row.name == name)
    if not other or not instance.price_hour:
        raise BadInput(f"what is {name} compared with? --than names a model, and price_hour its price for an hour")
    clock = SystemClock()
    until = clock.time()
    since = until - DAYS * 86_400
    async with Store.open(settings.database_url, clock, writes=False) as store:
        used = await store.read(lambda tx: tx.ledger.tokens_by_model(bot, since))
    found = worth(instance, used, frozenset({name, other}), catalog.profile(other, settings.models), (since, until))
    by_token, by_hour, less = (
        shown("en", amount, settings.currency)
        for amount in (found.by_token, found.by_hour, abs(found.by_token - found.by_hour))
    )
    runs = "its hours" if instance.hours is not None else f"{DAYS * 24} hours (MODELS does not say when it runs)"
    say(f"In the last {DAYS} days {name} and {other} were asked {found.usage.prompt:,} tokens and wrote")
    say(f"{found.usage.completion:,}. By the token ({other}) that costs {by_token}; {runs} cost {by_hour}.")
    verdict = ("would have paid", "cheaper") if found.pays else ("would not have paid", "dearer")
    say(f"The instance {verdict[0]}: it is {less} {verdict[1]}.")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A name (qwen-0.5b, qwen-1.5b), the URL of a GGUF file, or such a file.")],
    directory: Annotated[Path, typer.Option(help="Where it is kept; the sandbox looks here.")] = Path(
        ".govorun/models"
    ),
) -> None:
    """Download a language model for the sandbox and check it. Goes on where an earlier try ended."""
    from bot.config.settings import load
    from bot.providers.local import weights

    typer.echo(weights.fetch(name, directory, weights.print_progress, source=load().local_model_source))


def _about(name: str) -> str:
    """What the catalogue says of a model: window, prices, abilities, its end; "" if it does not have the model."""
    from bot.providers import catalog

    profile, (bare, _) = catalog.profile(name), catalog.parts(name)
    if bare in catalog.PICTURES:
        return "draws pictures"
    batch = ["batch runs"] if bare in catalog.BATCH_MODELS else []
    if (known := catalog.known(name)) is None:
        return ", ".join(batch)
    can = {
        "sees pictures": profile.vision,
        "calls tools": profile.tools,
        "reasons": profile.reasoning,
        "answers later": profile.asynchronous,
    }
    words = [*(ability for ability, has in can.items() if has), *batch]
    price = f"{profile.price_in} in, {profile.price_out} out {profile.currency}"
    end = f"; until {known.until}, then {known.successor}" if known.until else ""
    return f"{profile.window:>9,} tokens; {price}; {', '.join(words)}{end}"
