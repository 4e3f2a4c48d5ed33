"""A model that does not answer, or a key that is refused: it is left alone, everybody is told, and it comes back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import pairwise

import pytest
from pydantic import SecretStr

from bot.ai import Chunk, Finish, Profile, Request
from bot.config.entries import ModelConfig
from bot.errors import ContextOverflow, ModelDenied, ModelError, ModelRefused, StreamCut
from bot.llm.circuit_breaker import DENIED_PROBE, MOST_FAILURES, PROBE, CircuitBreaker
from bot.llm.routing import ModelOption, Routing
from bot.texts.catalog import say
from bot.types import Message
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon
from tests.support.virtual import VirtualClock

pytestmark = [pytest.mark.wire("tcp"), pytest.mark.usefixtures("older_models", "draws_by_operations")]

TEN_MINUTES = 600.0
SORRY, DENIED = say("en", "error.unavailable"), say("en", "error.denied")
PRO_ONLY = {"models": [ModelConfig(name="yandexgpt", title="Pro")]}


def asked(stage: Stage, model: str = "") -> list[float]:
    return [seen.at for seen in stage.studio.seen("completion") if model in seen.body["modelUri"]]


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


# --- F66, P30: the key ------------------------------------------------------------------------------------------------


async def test_f66_p30_a_revoked_key_is_said_once_apologised_for_and_asked_rarely(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.start(**PRO_ONLY)
    await stage.ask("hello")
    key = stage.studio.access.keys.pop()
    before = len(asked(stage))
    for number in range(20):
        person, language = (ANNA, "en") if number % 2 else (BORIS, "ru")
        assert await stage.ask(f"question {number}", person) == say(language, "error.denied")
        await stage.clock.sleep(10)
    tried = asked(stage)[before:]
    assert len(tried) <= 4
    assert all(later - earlier >= DENIED_PROBE for earlier, later in pairwise(tried))
    assert len(errors(caplog)) <= 5
    assert "apikey" in errors(caplog)[0].lower() or "api key" in errors(caplog)[0].lower()
    assert key not in caplog.text
    stage.studio.access.keys.add(key)
    await stage.clock.sleep(DENIED_PROBE)
    assert await stage.ask("and now?") not in (SORRY, DENIED)
    assert await stage.ask("and now?", BORIS) not in (SORRY, DENIED)
    assert "answers again" in caplog.text


async def test_f66_an_expired_token_is_renewed_once_and_nobody_notices(stage: Stage) -> None:
    await stage.start(yc_api_key=SecretStr(""), yc_oauth_token=SecretStr("y0_sandbox"))
    await stage.ask("hello")
    stage.studio.access.tokens.clear()  # it has died before its time
    stage.studio.script("fine")
    assert await stage.ask("still there?") == "fine"
    assert len(stage.studio.seen("tokens")) == 2
    assert len(asked(stage)) == 3


async def test_f66_a_token_that_is_refused_though_new_is_not_renewed_for_ever(stage: Stage) -> None:
    await stage.start(yc_api_key=SecretStr(""), yc_oauth_token=SecretStr("y0_sandbox"), **PRO_ONLY)
    await stage.ask("hello")
    stage.studio.fail_next("completion", status=401, times=99)
    for _ in range(10):
        assert await stage.ask("hello") == DENIED
    assert len(stage.studio.seen("tokens")) == 2
    assert len(asked(stage)) == 3


@pytest.mark.parametrize("status", [403, 404])
async def test_f66_f67_a_model_that_may_not_be_used_is_left_alone(stage: Stage, status: int) -> None:
    await stage.start(**PRO_ONLY)
    stage.studio.fail_next("completion", status=status, times=99)
    for _ in range(10):
        assert await stage.ask("hello") == DENIED
    assert len(asked(stage)) == 1


async def test_f80_p30_a_key_that_is_revoked_while_a_picture_is_drawn_is_waited_for(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The picture is paid: it is asked for until the key is good again. Each try is a line, not a traceback."""
    await stage.start()
    stage.studio.operations.polls["art"] = 2
    stage.telegram.say(ANNA, "/image a cat")
    await soon(stage, lambda: stage.studio.seen("operation"))
    key = stage.studio.access.keys.pop()
    await stage.clock.sleep(TEN_MINUTES)
    stage.studio.access.keys.add(key)
    await stage.texts(2)
    said = [text.split("\n")[0] for text in stage.telegram.texts(ANNA)]
    assert said == [say("en", "image.waiting"), "a cat"]
    assert stage.studio.bought == 1
    assert "Traceback" not in caplog.text


# --- F82: the circuit -------------------------------------------------------------------------------------------------


async def test_f82_a_model_that_keeps_failing_is_asked_every_half_minute(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.start(**PRO_ONLY)
    stage.studio.set_faults({"error500": 1.0})
    for _ in range(MOST_FAILURES):
        assert await stage.ask("hello") == SORRY
    before = len(asked(stage))
    for _ in range(12):
        at = stage.clock.monotonic()
        assert await stage.ask("hello") == SORRY
        await stage.clock.sleep(10 - (stage.clock.monotonic() - at))
    assert len(asked(stage)) - before <= 3 * (120 / PROBE + 1)
    stage.studio.set_faults({"error500": 0.0})
    await stage.clock.sleep(PROBE)
    stage.studio.script("here I am")
    assert await stage.ask("hello") == "here I am"
    assert len([line for line in errors(caplog) if "left alone" in line]) == 1


async def test_f82_another_offered_model_answers_and_says_so(stage: Stage) -> None:
    await stage.start()
    stage.studio.fail_next("completion", status=403)
    text = await stage.ask("hello")
    assert text.endswith(say("en", "instead.note", model="YandexGPT Lite"))
    assert [len(asked(stage, name)) for name in ("/yandexgpt/", "/yandexgpt-lite/")] == [1, 1]
    assert {name for (name,) in rows(stage, "SELECT model FROM usage")} == {"yandexgpt-lite"}
    assert (await stage.ask("and again?")).endswith(say("en", "instead.note", model="YandexGPT Lite"))
    assert len(asked(stage, "/yandexgpt/")) == 1
    await stage.clock.sleep(DENIED_PROBE)
    assert "answered by" not in await stage.ask("is it back?")


async def test_f82_with_all_models_down_one_apology_is_enough(stage: Stage) -> None:
    await stage.start()
    stage.studio.set_faults({"error500": 1.0})
    for _ in range(3 * MOST_FAILURES):
        assert await stage.ask("hello") == SORRY
    assert len(stage.telegram.texts(ANNA)) == 3 * MOST_FAILURES
    assert len(asked(stage)) <= 2 * 3 * (MOST_FAILURES + 2)


async def test_of_a_long_list_only_the_first_two_are_asked_in_an_outage(stage: Stage) -> None:
    names = ("yandexgpt", "yandexgpt-lite", "yandexgpt/rc", "aliceai-llm")
    await stage.start(models=[ModelConfig(name=name) for name in names])
    stage.studio.set_faults({"error500": 1.0})
    for _ in range(3 * MOST_FAILURES):
        await stage.ask("hello")
    assert asked(stage, "yandexgpt/latest")
    assert asked(stage, "yandexgpt-lite")
    assert not asked(stage, "yandexgpt/rc") + asked(stage, "aliceai-llm")


# --- the breaker by itself --------------------------------------------------------------------------------------------


class Moody:
    """A model that does what the test says: an error is raised, anything else is an answer."""

    name = "moody"
    profile = Profile()

    def __init__(self) -> None:
        self.mood: ModelError | None = None
        self.asked = 0

    async def stream(self, request: Request) -> AsyncGenerator[Chunk]:
        self.asked += 1
        yield Chunk("well")
        if self.mood is not None:
            raise self.mood
        yield Chunk(finish=Finish.STOP)


async def ask(breaker: CircuitBreaker) -> str:
    """The kind of error that asking ended in, or ""."""
    try:
        async for _ in breaker.stream(Request((Message.of("user", "hi"),))):
            pass
    except ModelError as error:
        return type(error).__name__
    return ""


async def test_failures_in_a_row_open_it_and_one_success_closes_it() -> None:
    model, clock = Moody(), VirtualClock()
    breaker = CircuitBreaker(model, clock)
    model.mood = StreamCut()
    for _ in range(MOST_FAILURES - 1):
        assert await ask(breaker) == "StreamCut"
    model.mood = None
    assert await ask(breaker) == ""
    model.mood = StreamCut()
    for _ in range(MOST_FAILURES):
        assert await ask(breaker) == "StreamCut"
    assert breaker.is_open
    assert await ask(breaker) == "ModelUnavailable"
    assert model.asked == 2 * MOST_FAILURES
    await clock.sleep(PROBE)
    model.mood = None
    assert await ask(breaker) == ""
    assert not breaker.is_open


async def test_only_one_request_goes_through_at_a_time_while_it_is_open() -> None:
    model, clock = Moody(), VirtualClock()
    breaker = CircuitBreaker(model, clock)
    model.mood = ModelDenied()
    assert await ask(breaker) == "ModelDenied"
    await clock.sleep(DENIED_PROBE)
    probe = breaker.stream(Request(()))
    await anext(probe)
    assert await ask(breaker) == "ModelDenied"
    assert model.asked == 2
    await probe.aclose()


@pytest.mark.parametrize("error", [ModelRefused(), ContextOverflow()])
async def test_what_is_the_question_s_fault_is_not_the_model_s(error: ModelError) -> None:
    model, clock = Moody(), VirtualClock()
    breaker = CircuitBreaker(model, clock)
    model.mood = error
    for _ in range(3 * MOST_FAILURES):
        assert await ask(breaker) == type(error).__name__
    assert not breaker.is_open


async def test_the_chosen_offer_is_asked_unless_it_is_known_not_to_answer() -> None:
    clock, moody = VirtualClock(), Moody()
    pro, lite = (
        ModelOption("pro", "Pro", CircuitBreaker(moody, clock)),
        ModelOption("lite", "Lite", CircuitBreaker(Moody(), clock)),
    )
    routing = Routing([pro, lite])
    assert routing.available(pro) is pro
    moody.mood = ModelDenied()
    assert isinstance(pro.model, CircuitBreaker)
    assert await ask(pro.model) == "ModelDenied"
    assert routing.available(pro) is lite
    assert routing.available(lite) is lite
    await clock.sleep(DENIED_PROBE)
    assert routing.available(pro) is pro
