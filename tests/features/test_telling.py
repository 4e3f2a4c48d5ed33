"""[Tell me when you know]: who asked in vain is told the answer once, when the sources have it and he may read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.runtime.bot import Bot
from bot.storage.tables.knowledge import KnowledgeSource
from bot.texts.catalog import say
from tests.support.choosing import labels, pressed, toasts
from tests.support.known import handbook, kept, known
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows, soon

QUESTION = {"en": "Which colours can one buy?", "ru": "Какого цвета ваши ноутбуки?"}
FACT = {
    "en": "One can buy two colours: grey and green.",
    "ru": "Наши ноутбуки бывают двух цветов: серого и белого.",
}
TELLS = "SELECT tell FROM kb_gaps"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return handbook(tmp_path)


async def learned(bot: Bot, docs: Path, text: str, name: str = "colours.md") -> None:
    """The source has another page."""
    (docs / name).write_text(f"# {name}\n\n{text}\n", "utf-8")
    base = kept(bot, docs)
    await base.sync(await base.find("docs"))
    await base.files.close()


async def looked(stage: Stage) -> None:
    """The bot has looked whether it can answer now."""
    await soon(stage, lambda: not rows(stage, "SELECT 1 FROM jobs WHERE kind = 'kb.tell'") or None)


@pytest.mark.parametrize(("who", "language"), [(ANNA, "en"), (BORIS, "ru")])
@pytest.mark.parametrize("level", ["extract", "cited"])
async def test_who_asked_in_vain_is_told_once_with_quotes(
    stage: Stage, docs: Path, who: int, language: str, level: str
) -> None:
    bot = await known(stage, docs, f"{FACT[language]} [a1]", level=level)
    refused = await stage.ask(QUESTION[language], who)
    assert refused.startswith(say(language, "kb.unanswered"))
    await pressed(stage, say(language, "gap.tell"), chat=who)
    assert toasts(stage)[-1] == say(language, "gap.tell.done")
    assert say(language, "gap.tell") not in labels(stage, who)
    count = len(stage.telegram.texts(who))
    await learned(bot, docs, "Laptops have keyboards. Ноутбуки имеют клавиатуру.", "other.md")
    await looked(stage)
    await learned(bot, docs, FACT[language])
    (told,) = (await stage.texts(count + 1, who))[count:]
    assert told.startswith(say(language, "gap.told"))
    assert FACT[language].removesuffix(".") in told
    assert "colours" in told
    assert rows(stage, TELLS) == [("told",)]
    assert len(rows(stage, "SELECT 1 FROM kb_quotes")) >= 1
    await learned(bot, docs, FACT[language] + " " + FACT[language])
    await looked(stage)
    assert len(stage.telegram.texts(who)) == count + 1


async def test_after_a_kill_who_waits_is_told_once(stage: Stage, docs: Path) -> None:
    bot = await known(stage, docs)
    await stage.ask(QUESTION["en"])
    await pressed(stage, say("en", "gap.tell"))
    await learned(bot, docs, FACT["en"])
    await stage.crash()
    await stage.start()
    await looked(stage)
    await stage.crash()
    bot = await stage.start()
    await learned(bot, docs, "Something else.", "other.md")
    await looked(stage)
    assert sum(text.startswith(say("en", "gap.told")) for text in stage.telegram.texts(ANNA)) == 1


async def test_what_the_person_may_not_read_is_not_told_nor_costs_a_model(stage: Stage, docs: Path) -> None:
    bot = await known(stage, docs, f"{FACT['ru']} [a1]", level="cited")
    await stage.ask(QUESTION["ru"], BORIS)
    await pressed(stage, say("ru", "gap.tell"), chat=BORIS)
    count = len(stage.telegram.texts(BORIS))
    secret = docs.parent / "secret"
    secret.mkdir()
    (secret / "colours.md").write_text(f"# Colours\n\n{FACT['ru']}\n", "utf-8")
    base = kept(bot, docs)
    await base.sync(await base.add(KnowledgeSource(name="secret", kind="", address=str(secret), audience=("admins",))))
    await base.files.close()
    await looked(stage)
    assert len(stage.telegram.texts(BORIS)) == count
    assert rows(stage, TELLS) == [("wanted",)]
    assert rows(stage, "SELECT 1 FROM usage WHERE mode = 'aside'") == []
    await stage.ask("/kb")
    await pressed(stage, "secret", say("en", "kb.readers"), say("en", "kb.group.everyone"))
    (told,) = (await stage.texts(count + 1, BORIS))[count:]
    assert told.startswith(say("ru", "gap.told"))


async def test_who_was_forgotten_is_not_told(stage: Stage, docs: Path) -> None:
    bot = await known(stage, docs)
    await stage.ask(QUESTION["ru"], BORIS)
    await pressed(stage, say("ru", "gap.tell"), chat=BORIS)
    await bot.store.write(lambda tx: tx.personal_data.delete_person(bot.telegram.api.id, BORIS))
    assert rows(stage, TELLS) == []
    await learned(bot, docs, FACT["ru"])
    await looked(stage)
    assert not any(text.startswith(say("ru", "gap.told")) for text in stage.telegram.texts(BORIS))


async def test_in_a_group_the_one_who_asked_decides_and_the_answer_comes_there(stage: Stage, docs: Path) -> None:
    bot = await known(stage, docs)
    await stage.ask(f"@govorun_sandbox_bot {QUESTION['en']}", TEAM, ANNA)
    await stage.press(say("en", "gap.tell"), TEAM, BORIS)
    await soon(stage, lambda: toasts(stage) or None)
    assert rows(stage, TELLS) == [("",)]
    await pressed(stage, say("en", "gap.tell"), chat=TEAM, user=ANNA)
    await learned(bot, docs, FACT["en"])
    await soon(stage, lambda: stage.telegram.texts(TEAM)[-1].startswith(say("en", "gap.told")) or None)
