"""Checks of what stands beside the models: embeddings, speech, search, hosts of operations, MCP servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from bot.ai import Embedder, Searcher, SpeechToText, TextToSpeech
from bot.clock import Clock
from bot.config.settings import Settings
from bot.doctor.finding import PATIENCE, Finding, fail, host_and_port, ok
from bot.errors import BotError, ModelError, ModelProtocolError
from bot.http.client import Http
from bot.providers.yandex.service import YandexStudio
from bot.tools.mcp import McpServer

WORDS = "Привет"
LANGUAGE = "ru"
Advice = Callable[[BotError, str], str]  # of an error, and the role that the service account needs


async def check_services(
    settings: Settings, studio: YandexStudio, advice: Advice, *, paid: bool
) -> AsyncIterator[Finding]:
    """One call to each service that is switched on. With `paid` False those that sell single calls are not asked."""
    calls: list[tuple[str, str, Awaitable[str]]] = [
        ("embedding", "ai.languageModels.user", _embed(studio.embeddings())),
    ]
    speaker, listener = studio.speaker(), studio.listener()
    if paid and speaker is not None and listener is not None:
        calls.append(("speech", "ai.speechkit-tts.user and ai.speechkit-stt.user", _speak_and_hear(speaker, listener)))
    if paid and "search" in settings.tools:
        calls.append(("search", "search-api.webSearch.user", _search(studio.search())))
    for leg, role, call in calls:
        try:
            async with asyncio.timeout(PATIENCE):
                yield ok(leg, await call)
        except BotError as error:
            yield fail(leg, str(error), advice(error, role))
        except TimeoutError:
            yield fail(leg, f"no answer in {PATIENCE:.0f} s", advice(ModelError(), role))


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
    """Whether the hosts answer that tell how long operations stand: long voice notes, /later, pictures."""
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


async def check_tool_servers(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    """Whether each MCP server starts and lists its tools."""
    for entry in settings.mcp_servers:
        server = McpServer(entry, clock=clock, tasks=asyncio.TaskGroup())
        try:
            tools = await server.list_tools()
        except BotError as error:
            text = f"{entry.name} can't be used ({error})"
            yield fail("mcp", text, f"Look at the row of MCP_SERVERS for {entry.name!r}: start its program by hand")
        else:
            yield ok("mcp", f"{entry.name} offers {len(tools)} tools")
