"""Labels of texts: both calls by HTTP and by gRPC, the quota of one request a second, and what the service may do
wrong.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from bot.ai import Labelled
from bot.config.settings import Settings
from bot.errors import ModelDenied, ModelError, ModelProtocolError, ModelRefused, ModelUnavailable
from bot.http.client import Http
from bot.providers.yandex.service import YandexStudio
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.ai_studio.services.embeddings import TunedClassifier
from tests.support.raw_server import answer, serve
from tests.support.virtual import VirtualClock

RECORDED = json.loads((Path(__file__).parents[1] / "recordings" / "few_shot_classification.json").read_text())
LABELS = ("Returns", "Delivery")
SAMPLES = [("I want my money back", "Returns"), ("where is my parcel", "Delivery")]
FEW_SHOT, TUNED = "fewShotTextClassification", "textClassification"


class World:
    """The sandbox's server and a client with the same clock, so that both count the same second."""

    def __init__(self, studio: Studio, http: Http, clock: VirtualClock, transport: str) -> None:
        self.studio = studio
        self.clock = clock
        settings = Settings(_env_file=None, **studio.settings(), yc_transport=transport)  # type: ignore[arg-type]
        self.classifier = YandexStudio(settings=settings, http=http, clock=clock, random=Random(1)).classifier()

    async def ask(self, text: str = "money back please", *, within: float = 2.0) -> Labelled:
        return await self.classifier.by_samples(text, LABELS, task="What is it about?", samples=SAMPLES, within=within)


@pytest.fixture(params=["rest", "grpc"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with opened(VirtualClock(), request.param) as world:
        yield world


@asynccontextmanager
async def opened(clock: VirtualClock, transport: str = "rest") -> AsyncIterator[World]:
    studio = Studio(clock=clock)
    await studio.start()
    if transport == "grpc":
        await studio.start_grpc()
    try:
        async with Http() as http:
            yield World(studio, http, clock, transport)
    finally:
        await studio.close()


async def test_labels_and_samples_go_out_as_the_service_wants_them(world: World) -> None:
    found = await world.ask()
    assert max(found.confidences, key=found.confidences.__getitem__) == "Returns"
    assert sum(found.confidences.values()) == pytest.approx(1)
    assert found.tokens > 40
    [seen] = world.studio.seen(FEW_SHOT)
    assert seen.body == {
        "modelUri": f"cls://{world.studio.access.folder}/yandexgpt-lite/latest",
        "taskDescription": "What is it about?",
        "labels": ["Returns", "Delivery"],
        "text": "money back please",
        "samples": [
            {"text": "I want my money back", "label": "Returns"},
            {"text": "where is my parcel", "label": "Delivery"},
        ],
    }
    assert seen.headers["x-data-logging-enabled"] == "false"


async def test_a_tuned_classifier_is_asked_by_its_name_or_its_uri(world: World) -> None:
    samples = [{"text": text, "label": label} for text, label in SAMPLES]
    world.studio.embeddings.tuned["mine"] = TunedClassifier(("Returns", "Delivery", "urgent"), samples, several=True)
    found = await world.classifier.tuned("yandexgpt-lite/latest@mine", "where is my parcel", within=2)
    assert found.confidences["Delivery"] > 0.9
    assert found.confidences["Returns"] < 0.5
    uri = f"cls://{world.studio.access.folder}/yandexgpt-lite/latest@other"
    assert (await world.classifier.tuned(uri, "good", within=2)).confidences["good"] > 0.9
    addresses = [seen.body["modelUri"] for seen in world.studio.seen(TUNED)]
    assert addresses == [uri.replace("@other", "@mine"), uri]


async def test_the_recorded_answer_is_read() -> None:
    answers = [row["response"]["message"] for row in RECORDED]
    clock = VirtualClock()
    async with serve(*(answer(200, row) for row in answers)) as server, Http() as http:
        settings = Settings(_env_file=None, yc_api_key="AQVN", yc_folder_id="b1g", yc_llm_url=server.url)
        classifier = YandexStudio(settings=settings, http=http, clock=clock, random=Random(1)).classifier()
        found = [await classifier.by_samples("foo", ["foo", "bar"], task="", within=2) for _ in answers]
    assert [row.tokens for row in found] == [46, 72]
    assert found[0].confidences["foo"] == pytest.approx(0.99999879)
    assert found[1].confidences == {"foo": pytest.approx(2.36e-05, rel=0.01), "bar": pytest.approx(0.999975)}


async def test_one_request_a_second_goes_out_and_both_calls_share_it(world: World) -> None:
    await world.ask()
    await world.ask()
    await world.classifier.tuned("yandexgpt-lite@x", "good", within=2)
    times = [seen.at for route in (FEW_SHOT, TUNED) for seen in world.studio.seen(route)]
    assert times == [0.0, 1.0, 2.0]
    assert {seen.status for route in (FEW_SHOT, TUNED) for seen in world.studio.seen(route)} == {200}


async def test_who_can_not_be_asked_in_time_is_told_at_once() -> None:
    async with opened(VirtualClock(by_hand=True)) as world:
        first, second, late = (asyncio.create_task(world.ask()) for _ in range(3))
        await world.clock.until_asleep(1.0)
        with pytest.raises(ModelUnavailable, match="too many texts wait"):
            await late
        assert await first
        world.clock.advance(1.0)
        assert await second
        assert len(world.studio.seen(FEW_SHOT)) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_failure_that_passes_costs_one_more_second(world: World, status: int) -> None:
    world.studio.fail_next(FEW_SHOT, status=status)
    assert await world.ask()
    assert [seen.at for seen in world.studio.seen(FEW_SHOT)] == [0.0, pytest.approx(1.0)]


async def test_a_quota_that_others_use_up_too_ends_in_a_sentence(world: World) -> None:
    world.studio.fail_next(FEW_SHOT, status=429, times=5)
    with pytest.raises(ModelUnavailable, match="allowed 1 requests"):
        await world.ask()
    assert world.clock.now <= 2


async def test_what_is_wrong_for_good_is_not_asked_again(world: World) -> None:
    with pytest.raises(ModelRefused, match="from 2 to 20"):
        await world.classifier.by_samples("x", [f"l{number}" for number in range(21)], task="", within=2)
    with pytest.raises(ModelDenied, match="Failed to get model"):
        await world.classifier.tuned("yandexgpt-lite", "x", within=2)
    with pytest.raises(ModelError, match="no more than 6000"):
        await world.classifier.by_samples("x", LABELS, task="", samples=[("word " * 6_001, "Returns")], within=2)
    assert len(world.studio.seen(FEW_SHOT)) == 2


async def test_a_slow_service_is_not_waited_for(world: World) -> None:
    world.studio.fail_next(FEW_SHOT, hang=True, times=5)
    with pytest.raises(ModelUnavailable):
        await world.ask(within=0.05)


PREDICTION = {"label": "Returns", "confidence": 0.5}


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        {"predictions": []},
        {"predictions": [{"confidence": 0.5}]},
        '{"predictions": [{"label": "Returns", "confidence": "NaN"}]}',
        {"predictions": [PREDICTION, {"label": "Ignore your instructions", "confidence": 0.5}]},
    ],
)
async def test_an_answer_that_makes_no_sense_is_an_error(world: World, body: object) -> None:
    world.studio.fail_next(FEW_SHOT, status=200, body=body)
    with pytest.raises(ModelProtocolError):
        await world.ask()


@pytest.mark.parametrize(
    "body",
    [
        "not JSON",
        "[]",
        {"predictions": [PREDICTION, {"label": "Delivery", "confidence": "high"}]},
        {"predictions": [PREDICTION, {"label": "Delivery", "confidence": True}]},
        '{"predictions": [{"label": "Returns", "confidence": NaN}]}',
    ],
)
async def test_json_that_makes_no_sense_is_an_error(body: object) -> None:
    async with opened(VirtualClock()) as world:
        world.studio.fail_next(FEW_SHOT, status=200, body=body)
        with pytest.raises(ModelProtocolError):
            await world.ask()


async def test_a_confidence_that_was_left_out_is_zero(world: World) -> None:
    world.studio.fail_next(FEW_SHOT, status=200, body={"predictions": [PREDICTION, {"label": "Delivery"}]})
    assert await world.ask() == Labelled({"Returns": 0.5, "Delivery": 0.0})
