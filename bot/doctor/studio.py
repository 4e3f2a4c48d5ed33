"""Checks of AI Studio: the network, the key, each model, the tokenizer. Begin with `check_studio`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from email.utils import parsedate_to_datetime

from bot.ai import Request
from bot.clock import Clock
from bot.config.settings import Settings
from bot.doctor.advice import NEW, RIGHT_FOLDER, advise_model, advise_network, given_credentials, other_server
from bot.doctor.finding import PATIENCE, Finding, Spending, Verdict, fail, host_and_port, ok, warn
from bot.doctor.services import (
    check_classifier,
    check_embedder,
    check_grpc,
    check_model_list,
    check_operations,
    check_services,
    check_vector_stores,
    draw_picture,
)
from bot.errors import BotError, ConfigError, ModelError, ModelProtocolError, ModelUnavailable
from bot.providers import catalog
from bot.providers.error_mapping import Unauthenticated
from bot.providers.yandex import names
from bot.providers.yandex.auth import credentials
from bot.providers.yandex.service import AUTO
from bot.runtime.opening import Services, open_services
from bot.types import Message

SKEW = 30.0  # seconds that this machine's clock may be wrong
GREETING = "Привет"


async def check_studio(
    settings: Settings, clock: Clock, spending: Spending = Spending.LITTLE
) -> AsyncIterator[Finding]:
    """Check that AI Studio can be reached and accepts the key, and that each offered model and each service answers.

    If nothing may be spent, only what is free is asked: the tokenizer, which also tells whether the key is good.
    """
    patient = settings.model_copy(update={"answer_deadline": PATIENCE})
    async with AsyncExitStack() as stack:
        try:
            services = await stack.enter_async_context(open_services(patient, clock))
        except ConfigError as error:
            yield fail("proxies", str(error), "Look at HTTPS_PROXY and ALL_PROXY; an http:// proxy works")
            return
        for check in (_network, _auth):
            finding = await check(services)
            yield finding
            if finding.verdict is Verdict.FAIL:
                return
        async for finding in check_grpc(services):
            yield finding
            if finding.verdict is Verdict.FAIL and settings.yc_transport == "grpc":
                return  # every model would fail for this reason, too
        async for finding in _models(services, spending):
            yield finding
        async for finding in check_operations(services):
            yield finding


async def _network(services: Services) -> Finding:
    """Check that AI Studio can be reached: any answer will do. Its date tells whether this machine's clock is right."""
    settings = services.settings
    host = host_and_port(settings.yc_llm_url)
    try:
        answer = await services.http.ask("GET", settings.yc_llm_url + "/", total=PATIENCE)
        there = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (ModelProtocolError, ValueError, TypeError):
        return ok("network", f"{host} answers")
    except ModelError as error:
        return fail("network", str(error), advise_network(settings))
    behind = there - services.clock.time()
    if abs(behind) > SKEW:
        text = f"{host} answers; this machine's clock is {abs(behind):.0f} s {'behind' if behind > 0 else 'ahead'}"
        return warn("network", text, "Let the time be set by NTP: tokens and reminders depend on it")
    return ok("network", f"{host} answers; the clocks agree")


async def _auth(services: Services) -> Finding:
    settings = services.settings
    used, *ignored = given_credentials(settings)
    beside = f" ({', '.join(ignored)} not needed)" if ignored else ""
    try:
        await credentials(settings, services.http, services.clock).headers()
    except BotError as error:
        unreachable = isinstance(error, ModelUnavailable)
        return fail("auth", str(error), advise_network(settings) if unreachable else NEW[used])
    if used in ("YC_API_KEY", "YC_IAM_TOKEN"):
        return ok("auth", f"{used} is sent as it is{beside}; the models say whether it is good")
    return ok("auth", f"{used} gave an IAM token{beside}")


async def _models(services: Services, spending: Spending) -> AsyncIterator[Finding]:
    settings, studio = services.settings, services.studio
    offered = dict.fromkeys([settings.model, *(entry.name for entry in catalog.choices(settings.models))])
    async for finding in check_model_list(services):
        yield finding
    asked = {**dict.fromkeys(offered, "text"), settings.helper_model: "helper"} | dict.fromkeys(offered, "text")
    for name, leg in () if spending is Spending.NOTHING else asked.items():
        try:
            yield await _says(services, name, leg)
        except BotError as error:
            stopped = _stopped(error, name, settings)
            yield stopped or fail(leg, f"{name}: {error}", advise_model(settings, error, name))
            elsewhere = other_server(settings, name)
            if (isinstance(error, Unauthenticated) and not elsewhere) or RIGHT_FOLDER.search(str(error)):
                return  # every other model of AI Studio would fail for this reason too
    if spending is not Spending.NOTHING:
        async for finding in check_services(services):
            yield finding
        if settings.embedding_row is not None:
            yield await check_embedder(settings.embedding_row, studio)
        if classifier := await check_classifier(services):
            yield classifier
    async for finding in check_vector_stores(services):
        yield finding
    if spending is Spending.PICTURE and (painters := studio.image_models()):
        async for finding in draw_picture(services, painters):
            yield finding
    tokenizer = studio.tokenizer()
    if tokenizer is None:
        return
    try:
        yield ok("tokenizer", f"counts ({await tokenizer.count(GREETING)} tokens in {GREETING!r}); it is free")
    except BotError as error:
        yield warn("tokenizer", str(error), advise_model(settings, error, settings.model))


async def _says(services: Services, name: str, leg: str) -> Finding:
    clock = services.clock
    started, price = clock.monotonic(), ""
    request = Request((Message.of("user", GREETING),), temperature=0, max_tokens=5)
    async with aclosing(services.studio.text(name).stream(request)) as chunks:
        async for chunk in chunks:
            price = f", {chunk.usage.total} tokens" if chunk.usage else price
    return ok(leg, f"{name} answers ({clock.monotonic() - started:.1f} s{price})")


def _stopped(error: BotError, name: str, settings: Settings) -> Finding | None:
    """The finding about an instance of one's own that does not run; None for another model or another error."""
    entry = catalog.entry(name, settings.models)
    if entry is None or not entry.uri or not isinstance(error, ModelUnavailable):
        return None
    meanwhile = f"; {entry.stand_in} answers meanwhile" if entry.stand_in else "; give its row of MODELS a stand_in"
    return warn("text", f"{name}: {error}", f"Start the instance in the console of AI Studio{meanwhile}")


def check_picture(settings: Settings) -> Finding:
    """Check whether the name of the picture model is well formed. No picture is bought to try it."""
    price = f"one costs {settings.image_price} {settings.currency}"
    if settings.image_model == AUTO:
        return ok("image", f"the first of {', '.join(catalog.PICTURES)} that the folder has; {price}; --paid buys one")
    if not settings.image_model:
        return ok("image", "there is no /image (IMAGE_MODEL=none)")
    try:
        uri = names.uri(settings.image_model, settings.yc_folder_id, "art")
    except ConfigError as error:
        return fail("image", str(error), "IMAGE_MODEL=auto, or IMAGE_MODEL=none for no /image")
    return ok("image", f"{uri} is a good name; no picture was bought to try it: {price}; --paid buys one")
