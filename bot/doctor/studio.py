"""Checks of AI Studio: the network, the key, each model, the tokenizer. Begin with `check_studio`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from functools import partial
from random import Random

from bot.ai import Request
from bot.clock import Clock
from bot.config.settings import WHERE, Settings
from bot.doctor.finding import PATIENCE, Finding, Spending, Verdict, fail, host_and_port, ok, secret, warn
from bot.doctor.services import check_embedder, check_grpc, check_operations, check_services, draw_picture
from bot.doctor.used_models import check_classifier, check_model_list, check_vector_stores
from bot.errors import BotError, ConfigError, ModelError, ModelProtocolError, ModelUnavailable
from bot.http.client import Http
from bot.http.transport import environment_proxy
from bot.providers import catalog
from bot.providers.error_mapping import MONEY, Unauthenticated
from bot.providers.yandex import names
from bot.providers.yandex.auth import credentials
from bot.providers.yandex.service import AUTO, YandexStudio
from bot.types import Message

SKEW = 30.0  # seconds that this machine's clock may be wrong


async def check_studio(
    settings: Settings, clock: Clock, spending: Spending = Spending.LITTLE
) -> AsyncIterator[Finding]:  # fmt: skip
    """Check that AI Studio can be reached and accepts the key, and that each offered model and each service answers.

    If nothing may be spent, only what is free is asked: the tokenizer, which also tells whether the key is good.
    """
    try:
        http = Http(direct=[settings.yc_metadata_addr])
    except ConfigError as error:
        yield fail("proxies", str(error), "Look at HTTPS_PROXY and ALL_PROXY; an http:// proxy works")
        return
    async with http:
        network = await _network(settings, http, clock)
        yield network
        if network.verdict is Verdict.FAIL:
            return
        auth = await _auth(settings, http, clock)
        yield auth
        if auth.verdict is not Verdict.FAIL:
            async for finding in check_grpc(settings, http, clock, partial(_service_advice, settings)):
                yield finding
                if finding.verdict is Verdict.FAIL and settings.yc_transport == "grpc":
                    return  # every model would fail for this reason, too
            async for finding in _models(settings, http, clock, spending):
                yield finding
            async for finding in check_operations(settings, http):
                yield finding


async def _network(settings: Settings, http: Http, clock: Clock) -> Finding:
    """Check that AI Studio can be reached: any answer will do. Its date tells whether this machine's clock is right."""
    host = host_and_port(settings.yc_llm_url)
    try:
        answer = await http.ask("GET", settings.yc_llm_url + "/", total=PATIENCE)
        there = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (ModelProtocolError, ValueError, TypeError):
        return ok("network", f"{host} answers")
    except ModelError as error:
        return fail("network", str(error), _way_to_studio(settings))
    behind = there - clock.time()
    if abs(behind) > SKEW:
        text = f"{host} answers; this machine's clock is {abs(behind):.0f} s {'behind' if behind > 0 else 'ahead'}"
        return warn("network", text, "Let the time be set by NTP: tokens and reminders depend on it")
    return ok("network", f"{host} answers; the clocks agree")


def _way_to_studio(settings: Settings) -> str:
    if proxy := environment_proxy(settings.yc_llm_url):
        return f"Is the proxy {host_and_port(proxy)} (HTTPS_PROXY) up, and does it lead there?"
    return (
        "Is the address open from this network? If a proxy is needed: HTTPS_PROXY=http://host:port; look at YC_LLM_URL"
    )


async def _auth(settings: Settings, http: Http, clock: Clock) -> Finding:
    used, *ignored = [name for name, given in _credentials(settings).items() if given]
    beside = f" ({', '.join(ignored)} not needed)" if ignored else ""
    try:
        await credentials(settings, http, clock).headers()
    except BotError as error:
        unreachable = isinstance(error, ModelUnavailable)
        return fail("auth", str(error), _way_to_studio(settings) if unreachable else NEW[used])
    if used in ("YC_API_KEY", "YC_IAM_TOKEN"):
        return ok("auth", f"{used} is sent as it is{beside}; the models say whether it is good")
    return ok("auth", f"{used} gave an IAM token{beside}")


def _credentials(settings: Settings) -> Mapping[str, object]:
    """The settings with credentials, in the order of preference of `bot.providers.yandex.auth`."""
    return {
        "YC_API_KEY": secret(settings.yc_api_key),
        "YC_IAM_TOKEN": secret(settings.yc_iam_token),
        "YC_OAUTH_TOKEN": secret(settings.yc_oauth_token),
        "YC_SERVICE_ACCOUNT_KEY_FILE": settings.yc_service_account_key_file,
        "YC_METADATA": settings.yc_metadata,
    }


async def _models(settings: Settings, http: Http, clock: Clock, spending: Spending) -> AsyncIterator[Finding]:
    patient = settings.model_copy(update={"answer_deadline": PATIENCE})
    studio = YandexStudio(settings=patient, http=http, clock=clock, random=Random())  # noqa: S311
    offered = dict.fromkeys([settings.model, *(entry.name for entry in catalog.choices(settings.models))])
    async for finding in check_model_list(settings, studio, clock):
        yield finding
    asked = {**dict.fromkeys(offered, "text"), settings.helper_model: "helper"} | dict.fromkeys(offered, "text")
    for name, leg in () if spending is Spending.NOTHING else asked.items():
        try:
            yield await _says(studio, name, clock, leg)
        except BotError as error:
            stopped = _stopped(error, name, settings)
            yield stopped or fail(leg, f"{name}: {error}", _next_step(error, name, settings))
            elsewhere = _elsewhere(name, settings)
            if (isinstance(error, Unauthenticated) and not elsewhere) or RIGHT_FOLDER.search(str(error)):
                return  # every other model of AI Studio would fail for this reason too
    advice = partial(_service_advice, settings)
    if spending is not Spending.NOTHING:
        async for finding in check_services(settings, studio, advice):
            yield finding
        if settings.embedding_row is not None:
            yield await check_embedder(settings.embedding_row, studio)
        if classifier := await check_classifier(settings, studio, advice):
            yield classifier
    async for finding in check_vector_stores(settings, studio, clock, advice):
        yield finding
    if spending is Spending.PICTURE and (painters := studio.image_models()):
        async for finding in draw_picture(settings, painters, clock, advice):
            yield finding
    tokenizer = studio.tokenizer()
    if tokenizer is None:
        return
    try:
        yield ok("tokenizer", f"counts ({await tokenizer.count(GREETING)} tokens in {GREETING!r}); it is free")
    except BotError as error:
        yield warn("tokenizer", str(error), _next_step(error, settings.model, settings))


async def _says(studio: YandexStudio, name: str, clock: Clock, leg: str) -> Finding:
    started, price = clock.monotonic(), ""
    request = Request((Message.of("user", GREETING),), temperature=0, max_tokens=5)
    async with aclosing(studio.text(name).stream(request)) as chunks:
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


def _elsewhere(name: str, settings: Settings) -> str:
    """Host and port of a model that is not served by AI Studio; empty for one that is."""
    entry = catalog.entry(name, settings.models)
    return host_and_port(entry.url) if entry and entry.url else ""


def _next_step(error: BotError, name: str, settings: Settings) -> str:
    words = str(error)
    if server := _elsewhere(name, settings):
        return f"Look at {server}, and at url, key and model in the row of MODELS for {name!r}"
    if found := RIGHT_FOLDER.search(words):
        if found[1] == settings.yc_folder_id:
            return f"{name!r} names another folder than the key's: write the name of the model alone"
        return f"YC_FOLDER_ID={found[1]} is the folder of this key; a key works only in its own folder"
    if isinstance(error, Unauthenticated):
        return NEW[next(name for name, given in _credentials(settings).items() if given)]
    if isinstance(error, ConfigError):
        return "`govorun models list` shows the names"
    if isinstance(error, ModelUnavailable):
        return _trouble(words)
    if MONEY.search(words):
        return "console.yandex.cloud -> Billing: is the account active, is there money, does this folder belong to it?"
    if words.startswith("403"):
        if GONE.search(words):
            return "Your folder does not have this model (any more): `govorun models list` shows those that it has"
        return missing_right(words, "ai.languageModels.user")
    return "Check the name: `govorun models list`"


def _service_advice(settings: Settings, error: BotError, role: str) -> str:
    if str(error).startswith("403") and not MONEY.search(str(error)):
        return missing_right(str(error), role)
    return _next_step(error, settings.model, settings)


def missing_right(words: str, role: str) -> str:
    """Say what a refusal (403) asks for: the role of the service account, the scope of its key, or both where the words
    of the service do not tell. `role` may name several, joined by "and".
    """
    roles = role.split(" and ")
    scopes = " and ".join(dict.fromkeys(SCOPES[one] for one in roles if one in SCOPES))
    new_key = f"make an API key with the scope {scopes} (console.yandex.cloud -> Service accounts -> Create API key)"
    if "scope" in words.lower() and scopes:
        return f"The key lacks a scope: {new_key}"
    where = "console.yandex.cloud -> your folder -> Access bindings"
    give = f"Give the service account the role {role} in this folder ({where})"
    return give if "role" in words.lower() or not scopes else f"{give}; if it has that, {new_key}"


def _trouble(words: str) -> str:
    if words.startswith("429"):
        return "The quota is used up, perhaps by another program with this folder: wait, or ask for more in the console"
    return (
        "The service is in trouble or out of reach: try again in some minutes; status.yandex.cloud tells what is known"
    )


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


GREETING = "Привет"
RIGHT_FOLDER = re.compile(r"does not match with service account folder ID '([\w-]+)'")
GONE = re.compile(r"access to model\b.{0,200}\bdenied", re.IGNORECASE)
SCOPES: Mapping[str, str] = {  # that a key needs beside a role of its service account
    "ai.languageModels.user": "yc.ai.foundationModels.execute",
    "ai.imageGeneration.user": "yc.ai.imageGeneration.execute",
    "ai.assistants.editor": "yc.ai.foundationModels.execute",
    "ai.editor": "yc.ai.foundationModels.execute",
}
NEW: Mapping[str, str] = {
    "YC_API_KEY": f"The key is wrong, expired or deleted; a new one: {WHERE['yc_api_key']}",
    "YC_IAM_TOKEN": "IAM tokens live 12 hours: `yc iam create-token` makes one. An API key (YC_API_KEY) lasts",
    "YC_OAUTH_TOKEN": "The token is wrong or expired; an API key (YC_API_KEY) of a service account is better",
    "YC_SERVICE_ACCOUNT_KEY_FILE": "A new key: `yc iam key create --service-account-name NAME --output key.json`; "
    "a clock that is wrong spoils good ones too",
    "YC_METADATA": "Link a service account to this virtual machine, or use YC_API_KEY",
}
