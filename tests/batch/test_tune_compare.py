"""A tuned model is compared with its base on cases that it has not learned, and is in use only if that says so."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.cli import dataset, tune
from bot.config.settings import Settings
from bot.errors import BadInput
from bot.llm.topics.routing_file import RoutingFile
from bot.runtime.opening import Workspace
from bot.storage.store import Tx
from tests.batch.test_runs import BOT
from tests.batch.test_tuning import EXAMPLES, started, tuning
from tests.batch.test_vendor_runs import VendorWorld, world
from tests.support.evaluating import cases_file
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows, soon
from tests.support.workspace import opened

pytestmark = pytest.mark.disk
__all__ = ["world"]
MARK = "[tamr"  # the sandbox's tuned models end their answers with it


def settings_of(world: VendorWorld, demand: str) -> Settings:
    """The settings of a bot with eight cases, two of which are among the examples."""
    asked = ["What is a lamp?", "What is a bulb?", "What is oil?", "What is wax?", "What is ice?", "What is ash?"]
    cases = "".join(f'[[case]]\nquestion = "{one}"\n{demand}\n' for one in [*asked, "q1", "Q2 "])
    folder = cases_file(world.folder.parent, cases)
    url = f"sqlite+aiosqlite:///{world.folder.parent / 'bot.db'}"
    return world.settings.model_copy(update={"database_url": url, "eval_cases": folder, "knowledge": "off"})


def comparing(world: VendorWorld, given: Settings) -> Workspace:
    """What the commands of tuning work with, where these settings answer."""
    return replace(tuning(world), settings=given.model_copy(update={"prompts_dir": world.folder / "prompts"}))


@pytest.mark.parametrize(
    ("demand", "first"),
    [
        (f'must_contain = "{MARK}"', "better: 6 better, 0 worse of 6 cases (p 0.03)"),
        (
            f'must_not = "{MARK}"',
            "The tuned model is not better on your own cases: not better: 0 better, 6 worse of 6 cases (p 0.03)",
        ),
    ],
)
async def test_what_a_comparison_says_decides_whether_a_tuned_model_is_used(
    world: VendorWorld, demand: str, first: str
) -> None:
    env = world.folder / ".env"
    env.write_text("BOT_TOKEN=1:x\n")
    work = comparing(world, settings_of(world, demand))
    number = await started(world, EXAMPLES, "yandexgpt-lite")
    await tune.show_tuning(work, number, watch=True)
    with pytest.raises(BadInput, match="was not tried"):
        await tune.use_tuning(work, number, env, Path("none"), uncompared=False)
    world.said.clear()
    world.questions.clear()
    world.agrees = False
    await tune.compare_tuning(work, number)
    assert world.said == ["Nothing was asked."]
    assert world.questions[0].startswith("6 cases, each asked of both: at most ")
    world.agrees = True
    await tune.compare_tuning(work, number)
    assert world.said[1] == first, "the verdict stands in the first line"
    assert world.said[3].startswith("6 better, 0 worse" if "must_contain" in demand else "0 better, 6 worse")
    world.agrees = False
    await tune.use_tuning(work, number, env, Path("none"), uncompared=False)
    is_better = first.startswith("better")
    if not is_better:
        assert not await tune.use_tuning(work, number, env, Path("none"), uncompared=False, yes=True)
        assert world.said[-2:] == [first, "--yes does not use it; --though-not-better does."]
    assert ("tuned-1" in env.read_text()) == is_better
    assert ("Use it all the same?" in world.questions) != is_better
    if is_better:
        await tune.drop_tuning(work, number)
        assert env.read_text() == "BOT_TOKEN=1:x\n"
    with pytest.raises(BadInput, match="is not in use"):
        await tune.drop_tuning(work, number)


async def test_without_a_case_that_was_not_learned_nothing_is_compared(world: VendorWorld) -> None:
    work = comparing(world, settings_of(world, f'must_contain = "{MARK}"'))
    asked = [f"What is {what}?" for what in ("a lamp", "a bulb", "oil", "wax", "ice", "ash")]
    rows = [{"request": [{"role": "user", "text": text}], "response": "x"} for text in [*asked, "q1", "q2", "x", "y"]]
    number = await started(world, rows, "yandexgpt-lite")
    await tune.show_tuning(work, number, watch=True)
    with pytest.raises(BadInput, match="no case that was not in the data"):
        await tune.compare_tuning(work, number)


async def test_two_thousand_corrected_topics_become_a_classifier_in_use_by_one_chain_of_commands(
    world: VendorWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"topic-{letter}" for letter in "abcdefghijklmnopqrst"]
    words = {key: f"{key[-1]}lpha {key[-1]}eta" for key in keys}  # "alpha aeta", "blpha beta", …
    routing = world.folder / "routing.toml"
    topics = "".join(
        f"[topic.{key}]\ntitle = '{key}'\nexamples = {[f'{words[key]} {n}' for n in range(3)]}\n" for key in keys
    )
    routing.write_text(f'{topics}[topic.rest]\ntitle = "Rest"\n[routing]\nother = "rest"\nclassifier = "near"\n')

    def correct(tx: Tx) -> None:
        for key in keys:
            for number in range(97):
                text = f"{words[key]} {chr(97 + number % 26)}{chr(97 + number // 26)}"
                tx.question_topics.add_sample(BOT, 0, key, text, text)

    await world.store.write(correct)
    given = settings_of(world, "")
    cases = "".join(f'[[case]]\nquestion = "{words[key]} please"\ntopic = "{key}"\n' for key in keys[:6])
    given = given.model_copy(
        update={"eval_cases": cases_file(world.folder, cases), "routing": routing, "embeddings": "off"}
    )
    for name, value in {
        "DATABASE_URL": given.database_url,
        "BOT_TOKEN": f"{BOT}:{'x' * 35}",
        "ROUTING": str(routing),
    }.items():
        monkeypatch.setenv(name, value)
    data = world.folder / "topics.jsonl"
    async with opened(world.said) as work:
        await dataset.export_rows(work, "topics", data, file=routing)
    assert world.said[0] == f"{data}: 2,000 rows"
    work = comparing(world, given)
    await tune.start_tuning(work, "classifier", data, name="topics")
    await tune.show_tuning(work, 1, watch=True)
    await tune.compare_tuning(work, 1)
    assert "better: 6 better, 0 worse of 6 cases (p 0.03)" in world.said
    asked = [seen.body["modelUri"] for seen in world.studio.seen("textClassification")]
    await tune.use_tuning(work, 1, Path("none"), routing, uncompared=False)
    assert len(asked) == 6
    assert f'classifier = "tuned"\ntuned = "{asked[0]}"' in routing.read_text()
    table = RoutingFile(routing).table
    assert table is not None
    assert table.routing.tuned == asked[0]


@pytest.mark.wire("tcp")
async def test_liked_chats_become_a_tuned_model_that_the_command_line_refuses_as_not_better(
    stage: Stage, world: VendorWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    for letter in "abcdefghijkl":
        answer = await stage.ask(f"What is {letter}{letter}?")
        shown = next(one for one in stage.telegram.transcript(ANNA)[::-1] if one.get("text") == answer)
        stage.telegram.react(ANNA, shown["message_id"], "👍")
    await soon(stage, lambda: rows(stage, "SELECT count(*) FROM feedback") == [(12,)])
    monkeypatch.setenv("DATABASE_URL", stage.settings.database_url)
    monkeypatch.setenv("BOT_TOKEN", stage.settings.bot_token.get_secret_value())
    data, env = world.folder / "liked.jsonl", world.folder / ".env"
    async with opened(world.said) as work:
        await dataset.export_rows(work, "liked", data, str(ANNA))
    assert f"{data}: 12 rows" in world.said
    given = settings_of(world, f'must_not = "{MARK}"')
    work = comparing(world, given)
    await tune.start_tuning(work, "yandexgpt-lite", data, name="liked")
    await tune.show_tuning(work, 1, watch=True)
    world.said.clear()
    await tune.compare_tuning(work, 1)
    verdict = "The tuned model is not better on your own cases: not better: 0 better, 8 worse of 8 cases (p 0.01)"
    assert world.said[0] == verdict
    env.write_text("BOT_TOKEN=1:x\n")
    for name, value in {
        **world.studio.settings(),
        "database_url": given.database_url,
        "bot_token": f"{BOT}:{'x' * 35}",
        "prompts_dir": str(world.folder / "prompts"),
    }.items():
        monkeypatch.setenv(name.upper(), value)

    async def use(*more: str) -> Result:
        told = ["use", "1", "--env", str(env), "--yes", *more]
        return await asyncio.to_thread(lambda: CliRunner().invoke(tune.app, told))

    refused = await use()
    assert refused.exit_code == 1
    assert refused.stdout == f"{verdict}\n--yes does not use it; --though-not-better does.\n"
    assert env.read_text() == "BOT_TOKEN=1:x\n"
    used = await use("--though-not-better")
    assert used.stdout.startswith(verdict)
    assert "tuned-1-liked" in env.read_text()
