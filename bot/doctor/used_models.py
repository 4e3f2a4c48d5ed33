"""Checks of the models that stand behind the conversation: the folder's list, the helper, classifiers, vector stores.

Begin with `check_model_list`, which costs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from bot.clock import Clock
from bot.config.settings import Settings
from bot.doctor.finding import PATIENCE, Finding, fail, ok, warn
from bot.errors import BotError
from bot.knowledge.sources.vector_store import store_id
from bot.providers import catalog
from bot.providers.yandex.service import YandexStudio
from bot.storage.engines.sqlite_files import path_of
from bot.storage.repositories.knowledge.passages import VECTOR_STORE
from bot.storage.store import Store, Tx

SOON = timedelta(days=30)
Advice = Callable[[BotError, str], str]  # of an error, and the role that the service account needs


def used_names(settings: Settings) -> Sequence[str]:
    """The models of AI Studio that the settings name, the helper last."""
    rows = [row.name for row in catalog.choices(settings.models) if not row.url and not row.agent and not row.uri]
    others = {row.name for row in settings.models} - {*rows}
    named = [settings.model, *rows, settings.helper_model]
    return [name for name in dict.fromkeys(named) if name not in others]


async def check_model_list(settings: Settings, studio: YandexStudio, clock: Clock) -> AsyncIterator[Finding]:
    """Read which models the folder has, and say which of those that the bot uses are missing or end soon."""
    try:
        names = {catalog.parts(uri)[0] for uri in await studio.list_models()}
    except BotError as error:
        yield warn("models", f"the folder's list of models can't be read: {error}", "Each model is asked all the same")
        return
    yield ok("models", f"the folder has {len(names)} models (`govorun models list`)")
    today = datetime.fromtimestamp(clock.time(), UTC).date()
    for name in used_names(settings):
        if finding := _ends(name, today):
            yield finding
        bare = catalog.parts(name)[0]
        if bare not in names and catalog.known(name) and "@" not in name and not name.startswith("gpt://"):
            instead = catalog.next_of_kind(bare, names)
            advice = f"{instead} takes its place" if instead else "Choose one of `govorun models list`"
            yield warn("models", f"{name} is not in the list of the folder's models", advice)


def _ends(name: str, today: date) -> Finding | None:
    row = catalog.known(name)
    if row is None or row.until is None or row.until - today > SOON:
        return None
    verb = "ends" if row.until >= today else "has ended"
    return warn("models", f"{name} {verb} on {row.until}", f"{row.successor} follows it")


async def check_classifier(settings: Settings, studio: YandexStudio, advice: Advice) -> Finding | None:
    """Ask the classifier of ROUTING for one word; None where topics need no service."""
    if settings.routing is None:
        return None
    from bot.llm.topics.routing_file import RoutingFile

    table = RoutingFile(settings.routing).table
    if table is None or table.routing.classifier not in ("fewshot", "tuned"):
        return None
    try:
        if table.routing.classifier == "tuned":
            await studio.classifier().tuned(table.routing.tuned, "?", within=PATIENCE)
        else:
            await studio.classifier().by_samples("?", ["yes", "no"], task="Is it a question?", within=PATIENCE)
    except BotError as error:
        text = f"the {table.routing.classifier} classifier: {error}"
        return fail("topics", text, advice(error, "ai.languageModels.user"))
    return ok("topics", f"the {table.routing.classifier} classifier answers")


async def check_vector_stores(
    settings: Settings, studio: YandexStudio, clock: Clock, advice: Advice
) -> AsyncIterator[Finding]:  # fmt: skip
    """List the files of each vector store that is a source of the knowledge base."""

    def addresses(tx: Tx) -> list[str]:
        return [one.address for one in tx.sources.list_sources(settings.bot_id) if one.kind == VECTOR_STORE]

    file = path_of(settings.database_url)
    if file is not None and not file.exists():
        return
    try:
        async with Store.open(settings.database_url, clock, writes=False) as store:
            found = await store.read(addresses)
    except (BotError, SQLAlchemyError):
        return  # the check of the database says what is wrong with it
    for address in found:
        try:
            files = await studio.vector_stores().list_files(store_id(address))
        except BotError as error:
            yield fail("sources", f"{address}: {error}", advice(error, "ai.assistants.editor"))
        else:
            yield ok("sources", f"{address} answers ({len(files)} files)")
