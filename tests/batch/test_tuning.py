"""Tuning: examples are split by conversation, a start is made once, and a tuned model is taken into use and back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.batch.losses import read_losses, text_chart
from bot.batch.rows import Row
from bot.batch.tuning import Split, Verdict
from bot.batch.vendor.values import PAIRS
from bot.cli import tune
from bot.config.settings import Settings
from bot.errors import BadInput
from bot.runtime.opening import Workspace
from bot.storage.tables.batch import NEWEST_TUNING, StoredTuning
from tests.batch.test_datasets import TOPICS, file, system
from tests.batch.test_runs import BOT
from tests.batch.test_vendor_runs import VendorWorld, world

pytestmark = pytest.mark.disk
__all__ = ["world"]
EXAMPLES = [
    {"request": [{"role": "system", "text": "Be brief."}, {"role": "user", "text": f"q{n}"}], "response": f"a{n}"}
    for n in range(100)
]


async def _verdict(tuning: StoredTuning) -> Verdict:
    assert "@tamr" in tuning.target
    return Verdict("better: 9 of 10 cases" if tuning.base.startswith("gpt") else "worse: 2 of 10 cases")


def tuning(world: VendorWorld) -> Workspace:
    """What the commands of tuning work with."""
    settings = world.settings.model_copy(update={"prompts_dir": world.folder / "prompts"})
    return replace(world.workspace, settings=settings)


async def compared(work: Workspace, number: int) -> None:
    """Keep a verdict that no case was asked for."""
    await tune.keep_verdict(work, number, await _verdict(await find(work, number)))


async def find(work: Workspace, number: int) -> StoredTuning:
    async with tune.open_tunings(work) as tunings:
        return await tunings.find(number)


async def started(world: VendorWorld, rows: list[Any], base: str) -> int:
    work = tuning(world)
    number = len(world.server.tunings.all) + 1
    await tune.start_tuning(work, base, file(world.folder, rows), name="my shop", samples=50)
    return number


def test_a_conversation_is_never_in_both_sets_and_every_row_is_in_one() -> None:
    split = Split(PAIRS, 1_000)
    asked = [[{"role": "user", "text": f"q{number}"}] for number in range(1_000)]
    rows = [Row(number, {"request": one, "conversation": number // 4}) for number, one in enumerate(asked)]
    checked = {row.columns["conversation"] for row in rows if split.is_validation(row)}
    trained = {row.columns["conversation"] for row in rows if split.is_training(row)}
    assert not checked & trained
    assert 10 < len(checked) < 50
    assert not Split(PAIRS, 99).is_validation(rows[0])


async def test_a_text_model_is_tuned_used_with_its_system_prompt_and_dropped(world: VendorWorld) -> None:
    env = world.folder / ".env"
    env.write_text("BOT_TOKEN=1:x\n")
    work = tuning(world)
    number = await started(world, EXAMPLES, "yandexgpt-lite")
    seen = world.server.seen("TuningService.Tune")[0].body
    assert seen["textToTextCompletion"] == {"nSamples": "50"}
    assert len(seen["validationDatasets"]) == 1
    with pytest.raises(BadInput, match="not completed"):
        await tune.use_tuning(work, number, env, Path("none"), uncompared=False)
    await tune.show_tuning(work, number, watch=True)
    with pytest.raises(BadInput, match="was not tried"):
        await tune.use_tuning(work, number, env, Path("none"), uncompared=False)
    await compared(work, number)
    assert world.said[-1] == "better: 9 of 10 cases"
    await tune.use_tuning(work, number, env, Path("none"), uncompared=False)
    rows = Settings(_env_file=env, **world.studio.settings()).models  # type: ignore[arg-type]
    assert next(row.model for row in rows if row.name == "tuned-1-my-shop").startswith("gpt://")
    assert len(rows) > 5, "the built-in models are still offered"
    persona = world.folder / "prompts" / "personas" / "tuned-1-my-shop.toml"
    assert 'system = "Be brief."' in persona.read_text()
    with pytest.raises(BadInput, match="is in use"):
        await tune.archive_tuning(work, number)
    await tune.drop_tuning(work, number)
    assert env.read_text() == "BOT_TOKEN=1:x\n"
    assert not persona.exists()
    await tune.archive_tuning(work, number)
    assert (await find(work, number)).state == "archived"
    with pytest.raises(BadInput, match="can't be canceled"):
        await tune.cancel_tuning(work, number)


async def test_a_tuned_classifier_tells_topics_and_one_that_is_not_better_is_told_so(world: VendorWorld) -> None:
    routing = world.folder / "routing.toml"
    before = '[routing]\nother = "x"\nclassifier = "near"\n\n[topic.x]\nwords = ["tuned = 1"]\n'
    routing.write_text(before)
    work = tuning(world)
    number = await started(world, TOPICS, "classifier")
    await tune.show_tuning(work, number, watch=True)
    await compared(work, number)
    assert world.said[-1] == "The tuned model is not better on your own cases: worse: 2 of 10 cases"
    world.agrees = False
    await tune.use_tuning(work, number, Path("none"), routing, uncompared=False)
    assert routing.read_text() == before
    world.agrees = True
    await tune.use_tuning(work, number, Path("none"), routing, uncompared=False)
    assert 'classifier = "tuned"\ntuned = "cls://' in routing.read_text()
    assert 'classifier = "near"' not in routing.read_text()
    await tune.drop_tuning(work, number)
    assert sorted(routing.read_text().splitlines()) == sorted(before.splitlines())
    work = tuning(world)
    triplets = [{"anchor": f"a{n}", "positive": f"b{n}", "negative": f"c{n}"} for n in range(3)]
    number = await started(world, triplets, "embeddings")
    await tune.show_tuning(work, number, watch=True)
    await tune.use_tuning(work, number, Path("none"), routing, uncompared=True)
    assert '"model": "emb://' in world.said[-1]


async def test_a_start_whose_outcome_is_unknown_is_looked_for_before_it_is_repeated(world: VendorWorld) -> None:
    world.server.faults.list_lag = 60.0
    for applied, calls in ((True, 1), (False, 2)):
        before = len(world.server.seen("TuningService.Tune"))
        begun = world.server.tunings.started
        world.server.faults.fail_next("TuningService.Tune", applied=applied)
        await started(world, EXAMPLES, "yandexgpt-lite")
        assert len(world.server.seen("TuningService.Tune")) - before == calls
        assert world.server.tunings.started - begun == 1
    world.server.faults.fail_next("TuningService.Tune", "RESOURCE_EXHAUSTED")
    with pytest.raises(BadInput, match="3 tunings an hour"):
        await started(world, EXAMPLES, "yandexgpt-lite")
    stored = await world.store.read(lambda tx: tx.all(NEWEST_TUNING, bot=BOT))
    assert [one.state == "failed" for one in stored] == [True, False, False]


async def test_a_tuning_whose_start_was_killed_is_found_or_given_up(world: VendorWorld) -> None:
    work = tuning(world)
    now = world.store.clock.time()
    empty: dict[str, Any] = dict.fromkeys(("digest", "train", "validation", "system"), "")
    new = StoredTuning(bot=BOT, token="t", name="mine", base="gpt://x/y/z", kind=PAIRS, intent=now, at=now, **empty)
    number = (await world.store.write(lambda tx: tx.add(new))).id
    await tune.show_tuning(work, number, watch=True)
    assert (await find(work, number)).state == "failed"


async def test_losses_are_shown_as_text_and_drawn(world: VendorWorld, tmp_path: Path) -> None:
    work = tuning(world)
    number = await started(world, EXAMPLES, "yandexgpt-lite")
    with pytest.raises(BadInput, match="no metrics yet"):
        await tune.show_metrics(work, number, None)
    await tune.show_tuning(work, number, watch=True)
    await tune.show_metrics(work, number, tmp_path / "losses.png")
    assert any(line.startswith("  * train_loss: 2.1") for line in world.said)
    with Image.open(tmp_path / "losses.png") as drawn:
        assert drawn.size == (800, 400)
    assert text_chart({}) == ["There are no figures yet."]
    for data in (b"x", b"\x05" + bytes(11) + b"\xff\xff\xff\xff\xff" + bytes(4), b"\xff" * 40):
        path = tmp_path / "events"
        path.write_bytes(data)
        with pytest.raises(BadInput, match="no TensorBoard file"):
            read_losses(path)


REFUSED: list[tuple[list[Any], str, str]] = [
    (EXAMPLES, "yandexgpt", "yandexgpt-lite, classifier, embeddings or a whole URI"),
    (EXAMPLES, "classifier", "learns from texts with classes"),
    (TOPICS, "yandexgpt-lite", "learns from questions with answers"),
    ([system("a")] * 9 + [system("b")], "yandexgpt-lite", "2 system prompts"),
    (EXAMPLES, "gpt://b1gsandbox0000000000/yandexgpt-retired/latest", "the service refuses the tuning"),
]


async def test_what_can_not_be_tuned_is_said_before_anything_is_uploaded(world: VendorWorld) -> None:
    work = tuning(world)
    for rows, base, what in REFUSED:
        with pytest.raises(BadInput, match=what):
            await started(world, rows, base)
    with pytest.raises(BadInput, match="Latin letters"):
        await tune.start_tuning(work, "yandexgpt-lite", file(world.folder, EXAMPLES), name="мой магазин")
    await tune.list_tunings(work)
    assert [line for line in world.said if "failed" in line]


async def test_the_answers_of_a_batch_run_are_the_examples_of_a_tuning(world: VendorWorld) -> None:
    path = world.file(*({"question": f"What is {number} and {number}?"} for number in range(12)))
    await world.ask(path, "sync", system="Be brief.")
    work = tuning(world)
    with pytest.raises(BadInput, match="there is no run 7"):
        await tune.start_tuning(work, "yandexgpt-lite", from_batch=7, name="mine")
    await tune.start_tuning(work, "yandexgpt-lite", from_batch=1, name="mine")
    examples = [json.loads(line) for line in path.with_name("batch-1.jsonl").read_text().splitlines()]
    assert len(examples) == 12
    assert [one["text"] for one in examples[0]["request"]] == ["Be brief.", "What is 0 and 0?"]
    assert all(one["response"] for one in examples)
    assert len(world.server.seen("TuningService.Tune")) == 1
