"""Vector stores of AI Studio as sources: searched there, quoted and checked here."""

from __future__ import annotations

import asyncio

from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.scripted_model import ScriptedModel
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

RETURNS = "# Возврат\n\n## Срок\n\nВернуть товар можно в течение 14 дней. Деньги приходят на карту за 3 рабочих дня.\n"
WARRANTY = "Laptops are repaired for free for one year.\n"
SEARCHED = "vector_store/search"
REFUND, REPAIR = "За сколько дней можно вернуть товар?", "Are laptops repaired for free?"


async def opened(stage: Stage, *answers: str, readers: bool = True, **settings: object) -> str:
    """A bot whose owner Anna has added a store with two files; answers are the sandbox's own unless some are given."""
    stage.given = {"routing": ScriptedModel(*answers).routing} if answers else {}
    await stage.start(**{"knowledge": "cited", "embeddings": "off", "owners": [ANNA], "summaries": False, **settings})
    files = stage.studio.vector_stores
    store = files.open(files.keep("returns.md", RETURNS), files.keep("warranty.txt", WARRANTY))
    await stage.ask(f"/kb add vector-store:{store}")
    await synced(stage, new=2)
    if readers:
        await stage.ask("/kb")
        await pressed(stage, f"vector-store-{store}", say("en", "kb.readers"), say("en", "kb.group.everyone"))
    return store


async def synced(stage: Stage, *, new: int = 0, unchanged: int = 0, gone: int = 0, ended: int = 0) -> None:
    counts = {"new": new, "unchanged": unchanged, "gone": gone, "added": 0, "ended": ended}
    start = say("en", "kb.report", name="?", **counts).split("?", 1)[1]
    await soon(stage, lambda: [text for text in stage.telegram.texts(ANNA) if start in text] or None)


async def sync(stage: Stage, store: str) -> None:
    await stage.ask("/kb")
    await pressed(stage, f"vector-store-{store}", say("en", "kb.sync"))


async def test_what_a_store_finds_is_quoted_word_for_word_in_both_languages_and_stays_with_the_answer(
    stage: Stage,
) -> None:
    store = await opened(stage)
    answer = await stage.ask(REFUND, BORIS)
    assert answer.startswith("Вернуть товар можно в течение 14 дней.¹")
    assert "Возврат › Срок" in answer
    assert (await stage.ask(REPAIR)).startswith("Laptops are repaired for free for one year.¹")
    assert [request.body["query"] for request in stage.studio.seen(SEARCHED)] == [REFUND, REPAIR]
    quoted = rows(stage, "SELECT text FROM kb_passages WHERE id IN (SELECT passage_id FROM kb_quotes)")
    assert {text for (text,) in quoted} == {RETURNS.split("\n\n")[2].strip(), WARRANTY.strip()}
    stage.studio.vector_stores.stores.clear()
    shown = await pressed(stage, say("ru", "kb.source"), chat=BORIS)
    assert "Вернуть товар можно в течение 14 дней." in shown
    assert store in await stage.ask("/kb")
    assert "passages: 2" in await stage.ask("/kb")


async def test_what_is_found_again_is_stored_once_and_costs_no_embedding(stage: Stage) -> None:
    await opened(stage, embeddings="yandex")
    for _ in range(2):
        await stage.ask(REFUND, BORIS)
    assert rows(stage, "SELECT count(*) FROM kb_passages") == [(2,)]
    assert len(stage.studio.seen(SEARCHED)) == 1  # the second time within a minute
    assert stage.studio.seen("textEmbedding") == []
    assert say("en", "kb.buy") not in await stage.ask("/kb")


async def test_an_invented_number_is_refused_and_what_the_store_lacks_is_not_known(stage: Stage) -> None:
    lie = "Вернуть товар можно в течение 60 дней [a1]."
    await opened(stage, lie, lie, lie, lie)
    assert (await stage.ask(REFUND, BORIS)).startswith(say("ru", "kb.unanswered"))
    assert (await stage.ask("Какая столица у Австралии?", BORIS)).startswith(say("ru", "kb.unanswered"))
    assert all("60" not in text for text in stage.telegram.texts(BORIS))


async def test_a_store_that_nobody_or_only_others_may_read_is_not_even_asked(stage: Stage) -> None:
    store = await opened(stage, readers=False)
    assert "14" not in await stage.ask(REFUND, BORIS)
    await stage.ask("/kb")
    await pressed(stage, f"vector-store-{store}", say("en", "kb.readers"), say("en", "kb.group.owners"))
    assert "14" not in await stage.ask(REFUND, BORIS)
    assert stage.studio.seen(SEARCHED) == []
    assert (await stage.ask(REFUND)).startswith("Вернуть товар можно в течение 14 дней.¹")


async def test_a_paused_store_is_not_asked_and_what_it_has_found_before_can_still_be_answered(stage: Stage) -> None:
    store = await opened(stage)
    await stage.ask(REFUND, BORIS)
    await stage.ask("/kb")
    await pressed(stage, f"vector-store-{store}", say("en", "kb.pause"))
    assert (await stage.ask("Сколько дней на возврат товара, в течение какого срока?", BORIS)).count("14") > 0
    assert len(stage.studio.seen(SEARCHED)) == 1


async def test_a_store_that_fails_leaves_what_it_has_found_before_and_nothing_of_it_hangs(stage: Stage) -> None:
    await opened(stage)
    faults: list[dict[str, object]] = [
        {"status": 500},
        {"status": 403},
        {"cut": "reset"},
        {"hang": True},
        {"body": "no"},
    ]
    stage.studio.fail_next(SEARCHED, times=3, status=500)
    assert (await stage.ask(REFUND, BORIS)).startswith(say("ru", "kb.unanswered"))
    await stage.ask(REFUND, BORIS)
    for number, fault in enumerate(faults):
        stage.studio.fail_next(SEARCHED, times=3, **fault)
        answer = await stage.ask(f"Вернуть товар можно в течение какого срока, вопрос {number}?", BORIS)
        assert answer.startswith("Вернуть товар можно в течение 14 дней.¹"), fault
        while stage.studio._faults.planned:
            stage.studio._faults.take(SEARCHED)


async def test_a_file_that_leaves_the_store_is_quoted_no_more_and_its_answers_are_stale(stage: Stage) -> None:
    store = await opened(stage)
    await stage.ask(REFUND, BORIS)
    files = stage.studio.vector_stores
    files.stores[store].files.pop(next(iter(files.files)))
    await sync(stage, store)
    await synced(stage, unchanged=1, gone=1, ended=1)
    assert (await stage.ask("Вернуть товар можно в течение какого срока?", BORIS)).startswith(
        say("ru", "kb.unanswered")
    )
    stale = say("en", "stale.count", count=1)
    await soon(stage, lambda: rows(stage, "SELECT 1 FROM kb_quotes WHERE stale <> ''") or None)
    assert stale in await stage.ask("/kb")


async def test_a_store_that_is_gone_or_not_ready_is_said_and_keeps_what_it_had(stage: Stage) -> None:
    store = await opened(stage)
    await stage.ask(REFUND, BORIS)
    files = stage.studio.vector_stores
    files.seconds = 3_600.0
    kept = files.stores.pop(store)
    await sync(stage, store)
    await soon(stage, lambda: [text for text in stage.telegram.texts(ANNA) if "no vector store" in text] or None)
    files.stores[store] = kept
    kept.files[files.keep("new.txt", "A new file.")] = asyncio.get_running_loop().time() + 3_600
    await sync(stage, store)
    indexing = say("en", "kb.trouble.indexing")
    await soon(stage, lambda: [text for text in stage.telegram.texts(ANNA) if indexing in text] or None)
    assert rows(stage, "SELECT count(*) FROM kb_passages WHERE ended IS NULL") == [(2,)]


async def test_an_address_without_an_id_is_no_store(stage: Stage) -> None:
    await stage.start(owners=[ANNA], embeddings="off")
    assert "vector-store:" in await stage.ask("/kb add vector-store:../x")
    assert rows(stage, "SELECT count(*) FROM kb_sources") == [(0,)]
