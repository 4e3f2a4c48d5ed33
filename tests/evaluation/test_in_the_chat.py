"""/eval makes cases of answers; owners are told what has changed, and how a night and a trial went."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.runtime.optional.evaluation import Beside
from bot.texts.catalog import say
from tests.support.choosing import PIRATE, written
from tests.support.evaluating import cases_file, evaluated
from tests.support.known import handbook, known
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

CASES = '[[case]]\nquestion = "Are laptops repaired for free?"\nmust_contain = "one year"\n'
TREASURE = "Where is the treasure?"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return handbook(tmp_path)


async def a_day_passes(stage: Stage) -> None:
    stage.clock.shift += 86_400
    await stage.clock.sleep(60)


async def newest(stage: Stage, chat: int, part: str) -> str:
    return await soon(stage, lambda: next((text for text in stage.telegram.texts(chat)[::-1] if part in text), None))


@pytest.mark.parametrize(
    ("owner", "question", "number"),
    [
        (ANNA, "Are laptops repaired for free?", "one"),
        (BORIS, "За сколько дней можно вернуть товар?", "14"),
    ],
)
async def test_an_answer_becomes_a_case_that_is_asked_again(
    stage: Stage, docs: Path, tmp_path: Path, owner: int, question: str, number: str
) -> None:
    language = "en" if owner == ANNA else "ru"
    folder = cases_file(tmp_path, "")
    bot = await known(stage, docs, owners=[owner], eval_cases=folder)
    await stage.ask(question, owner)
    answer = stage.telegram.transcript(owner)[-1]
    assert await stage.ask("/eval add", owner) == say(language, "eval.no_answer")
    stage.telegram.say(owner, "/eval add", reply_to=answer["message_id"])
    assert number in await newest(stage, owner, say(language, "eval.added", must="")[:20])
    stage.telegram.say(owner, "/eval add", reply_to=answer["message_id"])
    await newest(stage, owner, say(language, "eval.known", must="")[:20])
    wish = {"en": 'not "two years"', "ru": "без «30 дней»"}[language]
    stage.telegram.say(owner, f"/eval add {wish}", reply_to=answer["message_id"])
    await newest(stage, owner, {"en": "two years", "ru": "30 дней"}[language])
    assert question in await stage.ask("/eval list", owner)
    assert say(language, "eval.title", count=1) in await stage.ask("/eval", owner)
    assert (await evaluated(stage, bot, Beside(folder=folder))).is_fine
    shown = await stage.ask("/eval", owner)
    assert say(language, "eval.last", right=1, count=1, better=0, worse=0, broken=0) in shown
    one_origin = Beside(folder=cases_file(tmp_path, CASES), only=frozenset({"file"}))
    assert "Gone" not in (await evaluated(stage, bot, one_origin)).text, "a case of another origin is not gone"
    assert await stage.ask("/eval remove 1", owner) == say(language, "eval.removed", number=1)
    assert rows(stage, "SELECT count(*) FROM evaluation_cases") == [(0,)]


async def test_nobody_but_admins_adds_cases(stage: Stage, docs: Path, tmp_path: Path) -> None:
    await known(stage, docs, eval_cases=cases_file(tmp_path, ""))
    await stage.ask("Are laptops repaired for free?", BORIS)
    stage.telegram.say(BORIS, "/eval add", reply_to=stage.telegram.transcript(BORIS)[-1]["message_id"])
    await stage.ask("/eval", BORIS)
    assert rows(stage, "SELECT count(*) FROM evaluation_cases") == [(0,)]


async def test_owners_are_told_once_that_a_persona_has_changed_and_which_cases_that_touches(
    stage: Stage, docs: Path, tmp_path: Path
) -> None:
    cases = f'{CASES}[[case]]\nquestion = "{TREASURE}"\npersona = "pirate"\n'
    folder = cases_file(tmp_path, cases)
    written(tmp_path, PIRATE)
    await known(stage, docs, eval_cases=folder, prompts_dir=tmp_path)
    await stage.ask("/help")
    await stage.clock.sleep(60)
    assert not [text for text in stage.telegram.texts(ANNA) if "govorun eval" in text]
    written(tmp_path, PIRATE.replace("a pirate.", "an old pirate."))
    told = await newest(stage, ANNA, "govorun eval")
    assert told.startswith("Changed: Pirate. Cases touched: 1; govorun eval asks them again (at most 0")
    await stage.clock.sleep(120)
    assert len([text for text in stage.telegram.texts(ANNA) if "govorun eval" in text]) == 1


async def test_a_file_that_has_changed_while_the_bot_was_stopped_is_told_once_after_its_start(
    stage: Stage, docs: Path, tmp_path: Path
) -> None:
    folder = cases_file(tmp_path, f'[[case]]\nquestion = "{TREASURE}"\npersona = "pirate"\n')
    written(tmp_path, PIRATE)
    bot = await known(stage, docs, eval_cases=folder, prompts_dir=tmp_path)
    await stage.ask("/help")
    await stage.clock.sleep(60)
    await evaluated(stage, bot, Beside(folder=folder))
    written(tmp_path, PIRATE.replace("a pirate.", "an old pirate."))
    for _ in range(2):
        await stage.stop()
        await stage.start()
        await stage.clock.sleep(60)
    assert len([text for text in stage.telegram.texts(ANNA) if text.startswith("Changed: Pirate.")]) == 1


async def test_each_night_the_cases_are_asked_and_what_is_worse_is_told(
    stage: Stage, docs: Path, tmp_path: Path
) -> None:
    folder = cases_file(tmp_path, CASES)
    await known(stage, docs, eval_cases=folder, eval_at="03:30", owners=[BORIS])
    await stage.ask("/help", BORIS)
    for _ in range(2):
        await a_day_passes(stage)
    assert len(rows(stage, "SELECT id FROM evaluation_runs")) == 2
    assert "Ночной прогон" not in "".join(stage.telegram.texts(BORIS))
    cases_file(tmp_path, CASES.replace("one year", "two years"))
    await a_day_passes(stage)
    told = await newest(stage, BORIS, "Ночной прогон")
    assert "примеров 1, хуже 1, нарушено 1, не задано 0" in told
    assert "в ответе нет слов «two years»" in told
    assert "! в ответе нет слов «two years»" in await stage.ask("/eval", BORIS)


async def test_a_model_that_answers_with_another_version_is_told_once(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bot.sandbox.ai_studio.generation import native

    await stage.start(eval_cases=cases_file(tmp_path, CASES), owners=[ANNA], knowledge="off")
    before = native.VERSION
    await stage.ask("What is a lighthouse?")
    await stage.clock.sleep(60)
    monkeypatch.setattr(native, "VERSION", "01.02.2027")
    await stage.ask("What is a harbour?")
    told = await newest(stage, ANNA, "another version")
    assert f"01.02.2027 in place of {before}. Cases that can be asked again: 1; govorun eval does it (at most " in told
    await stage.ask("What is a ship?")
    await stage.clock.sleep(60)
    assert len([text for text in stage.telegram.texts(ANNA) if "another version" in text]) == 1


async def test_a_share_of_conversations_gets_the_version_on_trial_until_it_ends(stage: Stage, tmp_path: Path) -> None:
    folder = cases_file(tmp_path, CASES)
    written(tmp_path, 'title = "Govorun"\nsystem = "OLD"', "assistant")
    day = stage.clock.time() + 86_400
    from datetime import UTC, datetime

    until = f"{datetime.fromtimestamp(day, UTC):%Y-%m-%dT%H:%M:%SZ}"
    new = f'title = "Govorun"\nsystem = "NEW"\n[trial]\nshare = 0.5\nuntil = {until}\n'
    written(tmp_path, new, "assistant", "trials")
    await stage.start(eval_cases=folder, prompts_dir=tmp_path, owners=[ANNA], knowledge="off")
    for _ in range(16):
        await stage.ask("What is a lighthouse?")
        await stage.ask("And a ship?")
        await stage.ask("/new")
    asked = [next(m["text"] for m in prompt if m["role"] == "system") for prompt in stage.prompts()]
    pairs = list(zip(asked[::2], asked[1::2], strict=True))
    assert all(("NEW" in first) == ("NEW" in second) for first, second in pairs), "a conversation keeps its version"
    assert 2 <= sum("NEW" in first for first, _ in pairs) <= 14
    shown = await stage.ask("/eval")
    assert "50 % of conversations get the new one" in shown
    news = sum("NEW" in text for text in asked)
    versions = re.findall(r"^The (current one|new one) \(assistant@\w+\): answers (\d+),", shown, re.MULTILINE)
    assert [which for which, _ in versions] == ["current one", "new one"]
    assert versions[1][1] == str(news)
    await a_day_passes(stage)
    await newest(stage, ANNA, "The trial of Govorun is over")
    await stage.ask("What is a harbour?")
    assert "OLD" in stage.prompts()[-1][0]["text"]
    assert len([text for text in stage.telegram.texts(ANNA) if "is over" in text]) == 1
