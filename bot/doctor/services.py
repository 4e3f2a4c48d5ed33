"""Checks of what stands beside the models: embeddings, speech, search, pictures, hosts of operations, MCP servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from random import Random

from bot.ai import Embedder, Failed, Finished, ImageModel, ImageRequest, Pending, Searcher, SpeechToText, TextToSpeech
from bot.batch.vendor.opening import open_vendor
from bot.clock import Clock
from bot.config.entries import EmbeddingModelConfig
from bot.config.settings import Settings
from bot.doctor.finding import PATIENCE, Finding, fail, host_and_port, ok, warn
from bot.errors import BotError, ConfigError, ModelDenied, ModelError, ModelProtocolError, ModelUnavailable
from bot.http.client import Http
from bot.providers.yandex.grpc import is_installed
from bot.providers.yandex.service import YandexStudio
from bot.tools.mcp import McpServer

WORDS = "Привет"
LANGUAGE = "ru"
POLL, PATIENCE_FOR_PICTURE = 2.0, 120.0  # seconds
Advice = Callable[[BotError, str], str]  # of an error, and the role that the service account needs


async def check_services(settings: Settings, studio: YandexStudio, advice: Advice) -> AsyncIterator[Finding]:
    """Call each service that is switched on once, and report whether it answers."""
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
            yield fail(leg, str(error), advice(error, role))
        except TimeoutError:
            yield fail(leg, f"no answer in {PATIENCE:.0f} s", advice(ModelError(), role))


async def draw_picture(
    settings: Settings, painters: Mapping[str, ImageModel], clock: Clock, advice: Advice
) -> AsyncIterator[Finding]:  # fmt: skip
    """Say what a picture costs, then buy one of the first model that the folder has."""
    yield ok("image", f"drawing one picture, which costs {settings.image_price} {settings.currency}")
    for left, (name, painter) in zip(reversed(range(len(painters))), painters.items(), strict=True):
        try:
            yield await _draw(name, painter, clock)
            return
        except BotError as error:
            if left and isinstance(error, ModelDenied):
                yield warn("image", f"{name}: {error}", "The bot takes the next model, as IMAGE_MODEL=auto asks for")
                continue
            yield fail("image", f"{name}: {error}", advice(error, "ai.imageGeneration.user"))
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


async def check_operations(settings: Settings, http: Http) -> AsyncIterator[Finding]:
    """Check that the hosts answer that are polled for results of operations: long voice notes, /later, pictures."""
    urls = [settings.yc_operation_url, *([settings.yc_image_operation_url] if settings.image_model else [])]
    for url in dict.fromkeys(urls):
        host = host_and_port(url)
        try:
            await http.ask("GET", url + "/", total=PATIENCE)
        except ModelProtocolError:
            pass  # any answer will do: nothing is at this address
        except ModelError as error:
            text = "Look at YC_OPERATION_URL and YC_IMAGE_OPERATION_URL, and whether a proxy lets them through"
            yield fail("operations", f"{host}: {error}", text)
            continue
        yield ok("operations", f"{host} answers")


async def check_grpc(settings: Settings, http: Http, clock: Clock, advice: Advice) -> AsyncIterator[Finding]:
    """Make a free call by gRPC for models and for datasets, where the settings name either use of it."""
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
                yield ok("grpc", f"{settings.yc_grpc_address}: {await call(settings, http, clock)}")
        except (BotError, TimeoutError) as error:
            told = error if isinstance(error, BotError) else ModelUnavailable(f"no answer in {PATIENCE:.0f} s")
            next_step = advice(told, role)
            if str(told).startswith("403"):
                next_step = f"Give the service account the role {role} in this folder, and its key the scope {scope}"
            elif isinstance(told, ModelUnavailable):
                next_step = "Look at YC_GRPC_ADDRESS, and whether the network lets gRPC (HTTP/2) through"
            yield fail("grpc", f"{settings.yc_grpc_address}: {told}", next_step)


async def _count_by_grpc(settings: Settings, http: Http, clock: Clock) -> str:
    studio = YandexStudio(settings=settings, http=http, clock=clock, random=Random())  # noqa: S311
    tokenizer = studio.tokenizer() or studio.tokenizer(settings.helper_model)
    if tokenizer is None:
        return "no model of the settings has the native API, so no model is asked by gRPC"
    return f"models are asked by gRPC ({await tokenizer.count(WORDS)} tokens in {WORDS!r})"


async def _list_by_grpc(settings: Settings, http: Http, clock: Clock) -> str:
    async with open_vendor(settings, http, clock) as vendor:
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
