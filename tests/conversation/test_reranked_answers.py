"""KB_RERANK: the helper model puts the passages that were found in order, before a model answers from them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bot.conversation.question.reranking import PATIENCE
from bot.prompts.catalog import instruct
from bot.sandbox.ai_studio.wire import ReceivedRequest
from bot.storage.tables.knowledge import KnowledgeSource
from bot.texts.catalog import say
from tests.support.known import kept, known
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

QUESTION = "За сколько дней можно вернуть товар?"
ANSWER = "Вернуть товар можно в течение 12 дней [a1]."


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Twelve pages about returns that fit the question equally well: the last one comes behind the eight shown."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for days in range(1, 13):
        text = f"# Возврат, склад {days}\n\nВернуть товар можно в течение {days} дней.\n"
        (folder / f"{days:02}.md").write_text(text, "utf-8")
    return folder


def best(*numbers: object) -> str:
    return json.dumps({"best": numbers})


def listed(request: ReceivedRequest) -> list[dict[str, str]]:
    """The passages that the helper model was given."""
    system, material = (message["text"] for message in request.body["messages"])
    assert system.startswith(instruct("ru", "knowledge.rerank", most=8))
    found = json.loads(material)
    assert found["question"] == QUESTION
    return list(found["passages"])


async def asked(stage: Stage, docs: Path, said: str | None) -> str:
    """The answer to the question, with this answer of the helper model (None: it hangs)."""
    await prepared(stage, docs, said)
    return await stage.ask(QUESTION, BORIS)


async def prepared(stage: Stage, docs: Path, said: str | None) -> None:
    """The source is read, and this is what the helper model will say."""
    await known(stage, docs, *[ANSWER] * 6, level="cited", kb_rerank=12)
    if said is None:
        stage.studio.fail_next("completion", hang=True)
    else:
        stage.studio.script(said)


async def test_without_the_setting_no_other_model_is_asked(stage: Stage, docs: Path) -> None:
    await known(stage, docs, ANSWER, ANSWER, level="cited")
    await stage.ask(QUESTION, BORIS)
    assert stage.studio.seen("completion") == []


async def test_the_passage_that_the_helper_model_names_is_the_first_also_from_behind_those_that_are_shown(
    stage: Stage, docs: Path
) -> None:
    answer = await asked(stage, docs, "not yet")
    assert answer.startswith(say("ru", "kb.unanswered"))
    passages = listed(*stage.studio.seen("completion"))
    (place,) = (one["passage"] for one in passages if "12 дней" in one["text"])
    assert (len(passages), int(place)) == (12, 12)
    stage.studio.script(best(place))
    answer = await stage.ask(QUESTION, ANNA)
    assert "Вернуть товар можно в течение 12 дней.¹" in answer
    assert "склад 12" in answer


async def test_what_it_costs_is_booked_beside_the_answer_to_who_asked(stage: Stage, docs: Path) -> None:
    await asked(stage, docs, best(3, 1))
    booked = rows(stage, "SELECT \"user\", cost > 0 FROM usage WHERE mode = 'aside'")
    assert booked == [(BORIS, 1)]
    assert rows(stage, "SELECT * FROM reservations") == []


@pytest.mark.parametrize("said", ["No idea.", best(), best(0, -1, 99), best("first"), '{"best": "1"}', None])
async def test_a_helper_model_that_fails_or_is_late_leaves_the_order_of_the_search(
    stage: Stage, docs: Path, said: str | None
) -> None:
    await prepared(stage, docs, said)  # by another process, for which the virtual clock does not wait
    begun = stage.clock.monotonic()
    answer = await stage.ask(QUESTION, BORIS)
    assert answer.startswith(say("ru", "kb.unanswered"))
    assert stage.clock.monotonic() - begun < PATIENCE + 5


async def test_a_passage_that_is_named_twice_is_shown_once_and_unknown_numbers_count_for_nothing(
    stage: Stage, docs: Path
) -> None:
    await asked(stage, docs, best(12, 12, 99, 2))
    request = stage.given["routing"].options[0].model.requests[0]
    days = re.findall(r"в течение (\d+) дней", request.messages[-1].text)
    assert days == ["12", "2", "1", "3", "4", "5", "6", "7"]


async def test_the_level_extract_asks_no_model(stage: Stage, docs: Path) -> None:
    await known(stage, docs, level="extract", kb_rerank=12)
    assert "Вернуть товар можно" in await stage.ask(QUESTION, BORIS)
    assert stage.studio.seen("completion") == []


async def test_a_question_about_something_else_asks_nobody(stage: Stage, docs: Path) -> None:
    await known(stage, docs, level="cited", kb_rerank=12)
    assert (await stage.ask("Какая столица у Австралии?", BORIS)).startswith(say("ru", "kb.unanswered"))
    assert stage.studio.seen("completion") == []


async def test_the_helper_model_is_shown_nothing_that_the_asker_may_not_read(stage: Stage, docs: Path) -> None:
    bot = await known(stage, docs, ANSWER, ANSWER, level="cited", kb_rerank=30)
    secret = docs.parent / "secret"
    secret.mkdir()
    (secret / "secret.md").write_text("# Тайна\n\nВернуть товар можно в течение 99 дней, тайно.\n", "utf-8")
    base = kept(bot, secret)
    source = await base.add(KnowledgeSource(name="secret", kind="", address=str(secret), audience=("owners",)))
    await base.sync(source)
    await base.files.close()
    stage.studio.script(best(1))
    await stage.ask(QUESTION, BORIS)
    assert "99" not in str(listed(*stage.studio.seen("completion")))


async def test_stop_while_passages_are_ordered_asks_no_model_and_holds_nothing_back(stage: Stage, docs: Path) -> None:
    await known(stage, docs, ANSWER, level="cited", kb_rerank=12, user_daily_tokens=100_000)
    stage.studio.fail_next("completion", hang=True)
    stage.telegram.say(ANNA, QUESTION)
    await soon(stage, lambda: stage.studio.seen("completion") or None)
    await stage.ask("/stop")
    await soon(stage, lambda: say("en", "stop.empty") in str(stage.telegram.texts(ANNA)) or None)
    assert rows(stage, "SELECT * FROM reservations") == []
