"""Checks of what stands behind and beside the models: their list, classifiers, speech, search, pictures, MCP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from bot.ai import Embedder, Failed, Finished, ImageModel, ImageRequest, Pending, Searcher, SpeechToText, TextToSpeech
from bot.batch.vendor.opening import open_vendor
from bot.clock import Clock
from bot.config.entries import EmbeddingModelConfig
from bot.config.settings import Settings
from bot.doctor.advice import advise
from bot.doctor.finding import PATIENCE, Finding, fail, host_and_port, ok, warn
from bot.doctor.machine import read_database
from bot.errors import BotError, ConfigError, ModelDenied, ModelError, ModelProtocolError, ModelUnavailable
from bot.knowledge.sources.vector_store import store_id
from bot.providers import catalog
from bot.providers.yandex.grpc import is_installed
from bot.providers.yandex.service import YandexStudio
from bot.runtime.opening import Services
from bot.storage.repositories.knowledge.passages import VECTOR_STORE
from bot.storage.store import Tx
from bot.storage.tables.knowledge import SOURCES
from bot.tools.mcp import McpServer

SOON = timedelta(days=30)
WORDS = "Привет"
LANGUAGE = "ru"
POLL, PATIENCE_FOR_PICTURE = 2.0, 120.0  # seconds


async def check_model_list(services: Services) -> AsyncIterator[Finding]:
    """Read which models the folder has, and say which of those that the bot uses are missing or end soon."""
    try:
        names = {catalog.parts(uri)[0] for uri in await services.studio.list_models()}
    except BotError as error:
        yield warn("models", f"the folder's list of models can't be read: {error}", "Each model is asked all the same")
        return
    yield ok("models", f"the folder has {len(names)} models (`govorun models list`)")
    today = datetime.fromtimestamp(services.clock.time(), UTC).date()
    for name in used_names(services.settings):
        if finding := _ends(name, today):
            yield finding
        bare = catalog.parts(name)[0]
        if bare not in names and catalog.known(name) and "@" not in name and not name.startswith("gpt://"):
            instead = catalog.next_of_kind(bare, names)
            advice = f"{instead} takes its place" if instead else "Choose one of `govorun models list`"
            yield warn("models", f"{name} is not in the list of the folder's models", advice)


def used_names(settings: Settings) -> Sequence[str]:
    """The models of AI Studio that the settings name, the helper last."""
    rows = [row.name for row in catalog.choices(settings.models) if not row.url and not row.agent and not row.uri]
    others = {row.name for row in settings.models} - {*rows}
    named = [settings.model, *rows, settings.helper_model]
    return [name for name in dict.fromkeys(named) if name not in others]


def _ends(name: str, today: date) -> Finding | None:
    row = catalog.known(name)
    if row is None or row.until is None or row.until - today > SOON:
        return None
    verb = "ends" if row.until >= today else "has ended"
    return warn("models", f"{name} {verb} on {row.until}", f"{row.successor} follows it")


async def check_classifier(services: Services) -> Finding | None:
    """Ask the classifier of ROUTING for one word; None where topics need no service."""
    settings, studio = services.settings, services.studio
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
        return fail("topics", text, advise(settings, error, "ai.languageModels.user"))
    return ok("topics", f"the {table.routing.classifier} classifier answers")


async def check_vector_stores(services: Services) -> AsyncIterator[Finding]:
    """List the files of each vector store that is a source of the knowledge base."""
    settings = services.settings

    def addresses(tx: Tx) -> list[str]:
        return [one.address for one in tx.all(SOURCES, bot=settings.bot_id) if one.kind == VECTOR_STORE]

    for address in await read_database(settings, addresses) or ():
        try:
            files = await services.studio.vector_stores().list_files(store_id(address))
        except BotError as error:
            yield fail("sources", f"{address}: {error}", advise(settings, error, "ai.assistants.editor"))
        else:
            yield ok("sources", f"{address} answers ({len(files)} files)")


async def check_services(services: Services) -> AsyncIterator[Finding]:
    """Call each service that is switched on once, and report whether it answers."""
    settings, studio = services.settings, services.studio
    calls: list[tuple[str, str, Awaitable[str]]] = [
        ("embedding", "ai.languageModels.user", _embed(studio.embeddings())),
    ]
    speaker, listener = studio.speaker(), studio.listener()
    if speaker is not None and listener is not None:
        calls.append(("speech", "ai.speechkit-tts.user and ai.speechkit-stt.user", _speak_and_hear(speaker, listener)))
    if "search" in settings.tools:
        calls.append(("search", "search-api.webSearch.user", _search(studio.search())))
    for leg, role, call in calls:
        try:
            async with asyncio.timeout(PATIENCE):
                yield ok(leg, await call)
        except BotError as error:
            yield fail(leg, str(error), advise(settings, error, role))
        except TimeoutError:
            yield fail(leg, f"no answer in {PATIENCE:.0f} s", advise(settings, ModelError(), role))


async def draw_picture(services: Services, painters: Mapping[str, ImageModel]) -> AsyncIterator[Finding]:
    """Say what a picture costs, then buy one of the first model that the folder has."""
    settings = services.settings
    yield ok("image", f"drawing one picture, which costs {settings.image_price} {settings.currency}")
    for left, (name, painter) in zip(reversed(range(len(painters))), painters.items(), strict=True):
        try:
            yield await _draw(name, painter, services.clock)
            return
        except BotError as error:
            if left and isinstance(error, ModelDenied):
                yield warn("image", f"{name}: {error}", "The bot takes the next model, as IMAGE_MODEL=auto asks for")
                continue
            yield fail("image", f"{name}: {error}", advise(settings, error, "ai.imageGeneration.user"))
            return


async def _draw(name: str, painter: ImageModel, clock: Clock) -> Finding:
    """Buy one picture. Raises `ModelError`."""
    started = clock.monotonic()
    found: str | Pending | Finished | Failed = await painter.submit(ImageRequest(WORDS, seed=1))
    if isinstance(operation := found, str):
        while isinstance(found := await painter.poll(operation), Pending):
            if clock.monotonic() - started > PATIENCE_FOR_PICTURE:
                text = f"{name}: no picture in {PATIENCE_FOR_PICTURE:.0f} s: the service is slow, which it says can be"
                return warn("image", text, "Order one with /image: the bot waits for longer")
            await clock.sleep(POLL)
    if not isinstance(found, Finished):
        raise ModelUnavailable(f"there is no picture: {found.reason if isinstance(found, Failed) else found}")
    return ok("image", f"{name} drew a picture ({len(found.data):,} bytes, {clock.monotonic() - started:.0f} s)")


async def check_embedder(row: EmbeddingModelConfig, studio: YandexStudio) -> Finding:
    """Embed a word with the model of another server that EMBEDDINGS names."""
    try:
        async with asyncio.timeout(PATIENCE):
            (vector,) = await studio.server_embeddings(row).embed([WORDS], question=True)
    except (ConfigError, TimeoutError) as error:
        vector = ModelError(str(error) or f"no answer in {PATIENCE:.0f} s")
    if isinstance(vector, ModelError):
        server = host_and_port(row.url)
        advice = f"Look at {server}, and at url, key and model in the row of EMBEDDING_MODELS for {row.name!r}"
        return fail("embedding", f"{row.name}: {vector}", advice)
    return ok("embedding", f"{row.name} embeds texts ({len(vector.numbers)} numbers) for the knowledge base")


async def _embed(embedder: Embedder) -> str:
    (vector,) = await embedder.embed([WORDS])
    if isinstance(vector, ModelError):
        raise vector
    return f"embeds texts ({len(vector.numbers)} numbers), so that long documents are searched by meaning"


async def _speak_and_hear(speaker: TextToSpeech, listener: SpeechToText) -> str:
    sound = await speaker.speak(WORDS, LANGUAGE)
    heard = await listener.hear(sound, LANGUAGE)
    return f"said {WORDS!r} ({len(sound):,} bytes), and heard {heard!r} in it"


async def _search(searcher: Searcher) -> str:
    return f"found {len(await searcher.pages(WORDS))} pages for {WORDS!r}"


async def check_operations(services: Services) -> AsyncIterator[Finding]:
    """Check that the hosts answer that are polled for results of operations: long voice notes, /later, pictures."""
    settings = services.settings
    urls = [settings.yc_operation_url, *([settings.yc_image_operation_url] if settings.image_model else [])]
    for url in dict.fromkeys(urls):
        host = host_and_port(url)
        try:
            await services.http.ask("GET", url + "/", total=PATIENCE)
        except ModelProtocolError:
            pass  # any answer will do: nothing is at this address
        except ModelError as error:
            text = "Look at YC_OPERATION_URL and YC_IMAGE_OPERATION_URL, and whether a proxy lets them through"
            yield fail("operations", f"{host}: {error}", text)
            continue
        yield ok("operations", f"{host} answers")


async def check_grpc(services: Services) -> AsyncIterator[Finding]:
    """Make a free call by gRPC for models and for datasets, where the settings name either use of it."""
    settings = services.settings
    is_transport = settings.yc_transport == "grpc"
    calls = [_count_by_grpc] if is_transport else []
    if "yc_grpc_address" in settings.model_fields_set:
        calls.append(_list_by_grpc)
    if calls and not is_installed():
        text = "YC_TRANSPORT and YC_GRPC_ADDRESS need the extra `grpc`, which is not installed"
        yield (fail if is_transport else warn)("grpc", text, "pip install 'govorun[grpc]'; or YC_TRANSPORT=rest")
        return
    for call in calls:
        role, scope = RIGHTS[call]
        try:
            async with asyncio.timeout(PATIENCE):
                yield ok("grpc", f"{settings.yc_grpc_address}: {await call(services)}")
        except (BotError, TimeoutError) as error:
            told = error if isinstance(error, BotError) else ModelUnavailable(f"no answer in {PATIENCE:.0f} s")
            next_step = advise(settings, told, role)
            if str(told).startswith("403"):
                next_step = f"Give the service account the role {role} in this folder, and its key the scope {scope}"
            elif isinstance(told, ModelUnavailable):
                next_step = "Look at YC_GRPC_ADDRESS, and whether the network lets gRPC (HTTP/2) through"
            yield fail("grpc", f"{settings.yc_grpc_address}: {told}", next_step)


async def _count_by_grpc(services: Services) -> str:
    studio = services.studio
    tokenizer = studio.tokenizer() or studio.tokenizer(services.settings.helper_model)
    if tokenizer is None:
        return "no model of the settings has the native API, so no model is asked by gRPC"
    return f"models are asked by gRPC ({await tokenizer.count(WORDS)} tokens in {WORDS!r})"


async def _list_by_grpc(services: Services) -> str:
    async with open_vendor(services.settings, services.http, services.clock) as vendor:
        return f"batch runs and tuning can be begun; the folder has {len(await vendor.list_datasets())} datasets"


RIGHTS = {
    _count_by_grpc: ("ai.languageModels.user", "yc.ai.languageModels.execute"),
    _list_by_grpc: ("ai.editor", "yc.ai.foundationModels.execute"),
}


async def check_tool_servers(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    """Check whether each MCP server starts and lists its tools."""
    for entry in settings.mcp_servers:
        server = McpServer(entry, clock=clock, tasks=asyncio.TaskGroup())
        try:
            tools = await server.list_tools()
        except BotError as error:
            text = f"{entry.name} can't be used ({error})"
            yield fail("mcp", text, f"Look at the row of MCP_SERVERS for {entry.name!r}: start its program by hand")
        else:
            yield ok("mcp", f"{entry.name} offers {len(tools)} tools")
