"""Answers whose quotes no longer stand: admins see old and new sentence, and only they have the chats told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.known import changed, handbook, kept, known
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

QUESTION = {ANNA: "За сколько дней можно вернуть товар?", BORIS: "Are laptops repaired for free?"}
OLD = {ANNA: "Вернуть товар можно в течение 14 дней.", BORIS: "Laptops are repaired for free for one year."}
NEW = {ANNA: "Вернуть товар можно в течение 30 дней.", BORIS: "Laptops are repaired for free for two years."}
STALE = "SELECT stale FROM kb_quotes ORDER BY id"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return handbook(tmp_path)


@pytest.mark.parametrize(("admin", "person"), [(ANNA, BORIS), (BORIS, ANNA)])
async def test_another_number_is_told_to_the_chats_once_an_admin_says_so(
    stage: Stage, docs: Path, admin: int, person: int
) -> None:
    language, other = ("en", "ru") if admin == ANNA else ("ru", "en")
    bot = await known(stage, docs, owners=[admin])
    await stage.ask("/kb", admin)
    await stage.ask(QUESTION[admin], person)
    count = len(stage.telegram.texts(person))
    await changed(stage, bot, docs, OLD[admin], NEW[admin])
    asked = say(language, "stale.ask", old=OLD[admin], new=NEW[admin], count=1)
    await soon(stage, lambda: asked in stage.telegram.texts(admin) or None)
    assert len(stage.telegram.texts(person)) == count
    await pressed(stage, say(language, "stale.tell"), chat=admin)
    assert (await stage.texts(count + 1, person))[-1] == say(
        other, "stale.correction", old=OLD[admin], new=NEW[admin]
    )  # fmt: skip
    assert stage.telegram.texts(admin)[-1] == say(language, "stale.told", count=1)
    assert ("told",) in rows(stage, STALE)
    assert say(language, "audit.kb_corrected", changes="chats: 1") in await stage.ask("/audit", admin)
    assert say(language, "stale.count", count=1) in await stage.ask("/kb", admin)


async def test_nobody_is_told_where_the_admin_leaves_it(stage: Stage, docs: Path) -> None:
    bot = await known(stage, docs)
    await stage.ask(QUESTION[ANNA], BORIS)
    count = len(stage.telegram.texts(BORIS))
    await changed(stage, bot, docs, OLD[ANNA], NEW[ANNA])
    assert await pressed(stage, say("en", "stale.leave")) == say("en", "stale.left")
    assert len(stage.telegram.texts(BORIS)) == count


async def test_a_sentence_that_stays_asks_nothing_and_other_words_are_only_counted(stage: Stage, docs: Path) -> None:
    bot = await known(stage, docs)
    await stage.ask(QUESTION[ANNA], BORIS)
    texts = len(stage.telegram.texts(ANNA))
    await changed(stage, bot, docs, "## Срок\n", "## Срок\n\nПрочтите это внимательно.\n")
    assert {*rows(stage, STALE)} == {("",)}
    assert rows(stage, "SELECT 1 FROM kb_quotes JOIN kb_passages p ON p.id = passage_id WHERE ended IS NOT NULL") == []
    await changed(stage, bot, docs, "можно в течение", "можно<br>в течение")
    assert {*rows(stage, STALE)} == {("",)}, "the sentence has another line break only"
    await changed(stage, bot, docs, OLD[ANNA].replace(" в", "<br>в"), "Об этом спросите продавца.")
    assert ("gone",) in rows(stage, STALE)
    assert len(stage.telegram.texts(ANNA)) == texts
    assert say("en", "stale.count", count=1) in await stage.ask("/kb")


async def test_an_answer_that_is_too_old_and_what_may_no_longer_be_read_are_not_told(stage: Stage, docs: Path) -> None:
    bot = await known(stage, docs)
    await stage.ask(QUESTION[ANNA], BORIS)
    await changed(stage, bot, docs, OLD[ANNA], NEW[ANNA])
    base = kept(bot, docs)
    source = await base.find("docs")
    await base.store.write(lambda tx: tx.change(source, audience=("admins",)))
    await base.files.close()
    assert await pressed(stage, say("en", "stale.tell")) == say("en", "stale.told", count=0)
    assert not any(text.startswith("Поправка") for text in stage.telegram.texts(BORIS))
    await stage.ask(QUESTION[ANNA])
    stage.clock.shift += 8 * 86_400
    texts = len(stage.telegram.texts(ANNA))
    await changed(stage, bot, docs, NEW[ANNA], OLD[ANNA])
    assert ("gone",) in rows(stage, STALE)
    assert len(stage.telegram.texts(ANNA)) == texts


async def test_an_admin_who_may_not_read_the_source_is_shown_neither_sentence(stage: Stage, docs: Path) -> None:
    bot = await known(stage, docs, audience=["owners"])
    await bot.joining.directory.write(lambda tx: tx.members.store_member(bot.telegram.api.id, BORIS, "admin", ANNA))
    await stage.ask("/kb", BORIS)
    await stage.ask(QUESTION[BORIS])
    count = len(stage.telegram.texts(BORIS))
    await changed(stage, bot, docs, OLD[BORIS], NEW[BORIS])
    await soon(stage, lambda: stage.telegram.texts(ANNA)[-1].startswith("A source has changed") or None)
    assert len(stage.telegram.texts(BORIS)) == count
