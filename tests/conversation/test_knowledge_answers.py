"""Answers from the knowledge base: each sentence rests on a sentence of a source, or the bot says it is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.ai import Chunk, Finish, Request
from bot.billing.metering import Meter
from bot.concurrency.child_pool import ChildPool
from bot.config.entries import ModelConfig
from bot.conversation.question.rewriting import leans
from bot.errors import ContextOverflow
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.search.gate import Gate
from bot.prompts.catalog import instruct
from bot.runtime.bot import Bot
from bot.storage.tables.knowledge import KnowledgeSource
from bot.texts.catalog import say
from tests.support.choosing import labels, pressed
from tests.support.scripted_model import LaterModel, ScriptedModel
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

RETURNS = """# Возврат

## Срок

Вернуть товар можно в течение 14 дней. Деньги приходят на карту за 3 рабочих дня.

## Доставка

Обратная доставка бесплатна, если товар неисправен.
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "returns.md").write_text(RETURNS, "utf-8")
    (folder / "warranty.md").write_text("# Warranty\n\nLaptops are repaired for free for one year.\n", "utf-8")
    return folder


async def known(
    stage: Stage,
    docs: Path,
    *answers: str,
    level: str = "cited",
    audience: Sequence[str] = ("everyone",),
    own_model: bool = False,
    summaries: bool = False,
    later: LaterModel | None = None,
    **settings: Any,
) -> ScriptedModel:
    """A bot with these documents in its knowledge base, and a model that gives these answers, or the sandbox's own."""
    model = ScriptedModel(*answers)
    stage.given = {} if own_model else {"routing": model.routing}
    stage.given |= {"later": lambda _name: later} if later is not None else {}
    bot = await stage.start(knowledge=level, embeddings="off", owners=[ANNA], summaries=summaries, **settings)
    base = kept(bot, docs)
    await base.sync(await base.add(KnowledgeSource(name="docs", kind="", address=str(docs), audience=tuple(audience))))
    await base.files.close()
    return model


def kept(bot: Bot | None, docs: Path) -> KnowledgeBase:
    assert bot is not None
    store, id_ = bot.store, bot.telegram.api.id
    return KnowledgeBase(store=store, bot=id_, files=ChildPool(), meter=Meter(store=store), cache=docs.parent)


async def test_a_sentence_of_the_model_goes_out_with_its_quote_and_the_list_of_sources(
    stage: Stage, docs: Path
) -> None:
    model = await known(stage, docs, "Вернуть товар можно в течение 14 дней [a1].")
    answer = await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    assert answer.startswith("Вернуть товар можно в течение 14 дней.¹")
    assert "Вернуть товар можно в течение 14 дней." in answer.split("¹", 1)[1]
    assert "Возврат › Срок" in answer
    (request,) = model.requests
    assert "a1 Вернуть товар можно в течение 14 дней." in request.messages[-1].text
    assert request.tools == ()
    assert len(rows(stage, "SELECT * FROM kb_quotes")) == 1
    assert "Возврат" in rows(stage, "SELECT sources FROM messages WHERE role = 'assistant'")[0][0]


async def test_the_sandbox_s_own_model_answers_from_the_sources(stage: Stage, docs: Path) -> None:
    await known(stage, docs, own_model=True)
    answer = await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    assert answer.startswith("Вернуть товар можно в течение 14 дней.¹")
    answer = await stage.ask("Are laptops repaired for free?")
    assert answer.startswith("Laptops are repaired for free for one year.¹")


async def test_what_the_model_has_found_on_the_web_stands_apart_from_what_the_sources_say(
    stage: Stage, docs: Path
) -> None:
    await known(stage, docs, own_model=True, model="yandexgpt", models=[ModelConfig(name="yandexgpt", search=True)])
    stage.studio.script(
        "Вернуть товар можно в течение 14 дней [a1]. Пишут, что можно и за 90 дней.", "Пишут, что за 90 дней."
    )
    answer = await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    base, web = answer.split(f"{say('ru', 'sources.web')}:")
    assert "Возврат › Срок" in base
    assert "example.com" not in base
    assert "90" not in answer
    assert "example.com" in web
    stored = rows(stage, "SELECT sources FROM messages WHERE role = 'assistant'")[0][0]
    assert "example.com" in stored
    assert "Возврат" in stored


async def test_a_prompt_that_is_too_long_for_the_model_is_made_shorter_and_its_answer_checked(
    stage: Stage, docs: Path
) -> None:
    model = await known(stage, docs)
    model.answers.extend([
        ContextOverflow("too long", limit=800, given=1_000), "Вернуть товар можно в течение 60 дней [a1].",
        "Вернуть товар можно в течение 14 дней [a1].",
    ])  # fmt: skip
    answer = await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    assert answer.startswith("Вернуть товар можно в течение 14 дней.¹")
    assert all("60" not in text for text in stage.telegram.texts(BORIS))


async def test_an_invented_number_is_never_sent_and_the_model_is_asked_once_more(stage: Stage, docs: Path) -> None:
    model = await known(
        stage, docs, "Вернуть товар можно в течение 60 дней [a1].", "Вернуть товар можно в течение 14 дней [a1]."
    )
    answer = await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    assert answer.startswith("Вернуть товар можно в течение 14 дней.¹")
    assert "60" in model.requests[1].messages[-1].text
    assert all("60" not in text for text in stage.telegram.texts(BORIS))


async def test_where_nothing_of_an_answer_stands_in_the_sources_the_bot_says_so(stage: Stage, docs: Path) -> None:
    lie = "Мы подарим вам автомобиль [a1]."
    await known(stage, docs, lie, lie)
    answer = await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    assert answer.startswith(say("ru", "kb.unanswered"))
    assert "Возврат" in answer


async def test_a_question_about_something_else_costs_no_model(stage: Stage, docs: Path) -> None:
    model = await known(stage, docs, "Канберра.")
    assert (await stage.ask("Какая столица у Австралии?", BORIS)).startswith(say("ru", "kb.unanswered"))
    assert model.requests == []


async def test_between_the_cut_offs_only_quotes_are_shown_and_the_question_counts_as_unanswered(
    stage: Stage, docs: Path
) -> None:
    model = await known(stage, docs, "Вернуть товар можно в течение 14 дней [a1].")
    assert stage.app is not None
    bot, id_ = stage.app, stage.app.telegram.api.id
    gate = Gate((0.0,) * 6, bias=0.0, cut=1.0, doubt=-1.0)  # doubts everything
    await bot.store.write(lambda tx: tx.gates.store_gate(id_, "", gate.to_json()))
    answer = await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    assert answer.startswith(f"{say('ru', 'sources.maybe')}\n\nВернуть товар можно в течение 14 дней.¹")
    assert "Возврат › Срок" in answer
    assert model.requests == []
    assert {say("ru", "gap.tell"), say("ru", "kb.source")} <= set(labels(stage, BORIS))
    assert rows(stage, "SELECT reason FROM kb_gaps") == [("refused",)]
    assert (await stage.ask("Xyzzy?", BORIS)).startswith(say("ru", "kb.unanswered"))
    await bot.store.write(lambda tx: tx.gates.store_gate(id_, "", ""))
    assert (await stage.ask("За сколько дней можно вернуть товар?", BORIS)).startswith("Вернуть товар")
    assert len(model.requests) == 1


async def test_a_greeting_is_answered_by_the_model_as_ever(stage: Stage, docs: Path) -> None:
    model = await known(stage, docs, "Здравствуйте! Чем помочь?")
    assert await stage.ask("Привет!", BORIS) == "Здравствуйте! Чем помочь?"
    assert len(model.requests) == 1


async def test_the_level_extract_answers_with_sentences_of_the_sources_and_no_model(stage: Stage, docs: Path) -> None:
    model = await known(stage, docs, level="extract")
    answer = await stage.ask("Are laptops repaired for free?")
    assert "Laptops are repaired for free for one year.¹" in answer
    assert "Warranty" in answer
    assert model.requests == []


async def test_who_may_not_read_a_source_is_answered_as_if_there_were_none(stage: Stage, docs: Path) -> None:
    model = await known(stage, docs, "Не знаю.", audience=["admins"])
    assert await stage.ask("За сколько дней можно вернуть товар?", BORIS) == "Не знаю."
    assert "14" not in str(model.requests)


@pytest.mark.parametrize("withdrawn", [False, True])
async def test_an_answer_that_comes_later_is_checked_when_it_comes(stage: Stage, docs: Path, withdrawn: bool) -> None:
    later = LaterModel("Вернуть товар можно в течение 14 дней [a1]. За возврат дарят слона [a1].")
    await known(stage, docs, later=later)
    question = "За сколько дней можно вернуть товар?"
    assert await stage.ask(f"/later {question}", BORIS) == say("ru", "later.taken.same", model="Scripted")
    if withdrawn:
        await open_to(stage, docs, "owners")
    answer = await stage.until(lambda: "".join(stage.telegram.texts(BORIS)[1:]))
    assert "a1 Вернуть товар можно в течение 14 дней." in later.submitted[0].messages[-1].text
    if withdrawn:
        assert answer == say("ru", "kb.unanswered")
        return
    assert answer.startswith("Вернуть товар можно в течение 14 дней.¹\n")
    assert "слона" not in answer
    assert "Деньги приходят" in await pressed(stage, SHOW["ru"], chat=BORIS)


LIE, TRUTH = "За возврат дарят слона [a1].", "Вернуть товар можно в течение 14 дней [a1]."


@pytest.mark.parametrize(("second", "said"), [(TRUTH, TRUTH.removesuffix(" [a1].")), (LIE, "")])
async def test_an_answer_of_later_that_fails_its_check_is_asked_for_once_more(
    stage: Stage, docs: Path, second: str, said: str
) -> None:
    later = LaterModel(LIE, second)
    await known(stage, docs, later=later, user_daily_tokens=100_000)
    await stage.ask("/later За сколько дней можно вернуть товар?", BORIS)
    answer = await stage.until(lambda: "".join(stage.telegram.texts(BORIS)[1:]))
    assert answer.startswith(said or say("ru", "kb.unanswered"))
    first, again = later.submitted
    assert again.messages[: len(first.messages)] == first.messages
    assert "слона" in again.messages[-1].text
    assert len(rows(stage, "SELECT * FROM usage")) == 2
    assert rows(stage, "SELECT * FROM reservations") == []


async def test_without_budget_for_a_second_request_the_answer_of_later_ends_after_the_first(
    stage: Stage, docs: Path
) -> None:
    later = LaterModel(LIE, TRUTH)
    await known(stage, docs, later=later, user_daily_tokens=120)
    await stage.ask("/later За сколько дней можно вернуть товар?", BORIS)
    assert (await stage.texts(2, BORIS))[1].startswith(say("ru", "kb.unanswered"))
    assert len(later.submitted) == 1
    assert rows(stage, "SELECT * FROM reservations") == []


async def test_a_kill_before_the_second_request_of_later_leaves_it_to_be_asked_once(stage: Stage, docs: Path) -> None:
    later = LaterModel(LIE, TRUTH)
    await known(stage, docs, later=later)
    reached, submit = asyncio.Event(), later.submit

    async def held(request: Request) -> str:
        if later.submitted:
            reached.set()
            await asyncio.Event().wait()
        return await submit(request)

    later.submit = held  # type: ignore[method-assign]
    await stage.ask("/later За сколько дней можно вернуть товар?", BORIS)
    await reached.wait()
    await stage.crash()
    later.submit = submit  # type: ignore[method-assign]
    await stage.start(knowledge="cited", embeddings="off", owners=[ANNA])
    assert (await stage.texts(2, BORIS))[1].startswith(TRUTH.removesuffix(" [a1]."))
    assert len(later.submitted) == 2


async def test_what_the_sources_do_not_have_is_not_submitted(stage: Stage, docs: Path) -> None:
    later = LaterModel("")
    await known(stage, docs, later=later)
    assert (await stage.ask("/later Кто написал «Войну и мир»?", BORIS)).startswith(say("ru", "kb.unanswered"))
    assert later.submitted == []


async def test_what_was_withdrawn_while_the_model_wrote_does_not_go_out(stage: Stage, docs: Path) -> None:
    model = await known(stage, docs)
    base = kept(stage.app, docs)

    async def withdrawing(_request: Request) -> AsyncGenerator[Chunk]:
        source = await base.find("docs")
        await base.store.write(lambda tx: tx.change(source, audience=()))
        yield Chunk("Вернуть товар можно в течение 14 дней [a1].")
        yield Chunk(finish=Finish.STOP)

    model.stream = withdrawing  # type: ignore[assignment]
    assert (await stage.ask("За сколько дней можно вернуть товар?", BORIS)).startswith(say("ru", "kb.unanswered"))


SHOW = {language: say(language, "kb.source") for language in ("en", "ru")}


async def test_a_press_shows_the_passage_with_the_quoted_sentence_in_bold(stage: Stage, docs: Path) -> None:
    both = "Вернуть товар можно в течение 14 дней [a1]. Laptops are repaired for free for one year [b1]."
    await known(stage, docs, both)
    answer = await stage.ask("За сколько дней можно вернуть товар, are laptops repaired for free?", BORIS)
    assert "¹ Вернуть товар можно в течение 14 дней." in looks(stage, BORIS)["expandable_blockquote"]
    source = await pressed(stage, SHOW["ru"], chat=BORIS)
    assert stage.telegram.texts(BORIS)[-2] == answer
    assert source.startswith("Возврат › Срок\nПо состоянию на ")
    assert "Деньги приходят на карту" in source
    assert source.endswith("Обратная доставка бесплатна, если товар неисправен.…")
    assert "Вернуть товар можно в течение 14 дней." in looks(stage, BORIS)["bold"]
    other = await pressed(stage, "2", chat=BORIS)
    assert other.startswith("Warranty\n")
    assert stage.telegram.texts(BORIS)[-2] == answer  # it is shown in the message of the first source


async def test_a_source_that_has_changed_is_shown_as_it_was(stage: Stage, docs: Path) -> None:
    await known(stage, docs, "Вернуть товар можно в течение 14 дней [a1].")
    await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    (docs / "returns.md").write_text("# Возврат\n\n## Срок\n\nВернуть товар можно в течение 30 дней.\n", "utf-8")
    base = kept(stage.app, docs)
    await base.sync((await base.sources())[0], agreed=True)
    await base.files.close()
    shown = await pressed(stage, SHOW["ru"], chat=BORIS)
    assert "Так было до " in shown
    assert "в течение 14 дней" in shown


async def test_who_may_not_read_a_source_any_more_is_shown_nothing_of_it(stage: Stage, docs: Path) -> None:
    await known(
        stage, docs, "Вернуть товар можно в течение 14 дней [a1].", "Вернуть товар можно в течение 14 дней [a1]."
    )
    await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    await stage.ask("За сколько дней можно вернуть товар?", ANNA)
    await open_to(stage, docs, "owners")
    assert await pressed(stage, SHOW["ru"], chat=BORIS) == say("ru", "kb.source.closed")
    assert "Деньги приходят" in await pressed(stage, SHOW["en"])


async def open_to(stage: Stage, docs: Path, *audience: str) -> None:
    base = kept(stage.app, docs)
    (source,) = await base.sources()
    await base.store.write(lambda tx: tx.change(source, audience=audience))


async def test_a_turn_whose_source_may_not_be_read_any_more_is_in_no_later_prompt(stage: Stage, docs: Path) -> None:
    said = "Вернуть товар можно в течение 14 дней [a1]."
    model = await known(stage, docs, said, said, "Рад помочь.", "Рад помочь.", "Рад помочь.")
    for person in (ANNA, BORIS):
        await stage.ask("За сколько дней можно вернуть товар?", person)
    await stage.ask("спасибо", BORIS)
    assert "14 дней" in asked(model)
    await open_to(stage, docs, "owners")
    await stage.ask("спасибо", BORIS)
    assert "14 дней" not in asked(model)
    assert "вернуть" not in asked(model)
    assert "14 дней" not in await stage.ask("/prompt", BORIS)
    await stage.ask("спасибо", ANNA)
    assert "14 дней" in asked(model)  # she is an owner


async def test_a_summary_of_what_may_not_be_read_any_more_is_not_used_and_none_is_written_of_it(
    stage: Stage, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.conversation.memory.VERBATIM", 2)
    monkeypatch.setattr("bot.conversation.memory.ENOUGH", 6)
    model = await known(
        stage, docs, "Вернуть товар можно в течение 14 дней [a1].", *["Рад помочь."] * 9, summaries=True
    )
    await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    for _ in range(3):
        await stage.ask("спасибо", BORIS)
    assert "14 дней" in await soon(stage, lambda: summary_request(stage))
    stage.studio.requests.clear()
    await stage.ask("спасибо", BORIS)
    assert len(rows(stage, "SELECT * FROM summaries")) == 1
    await open_to(stage, docs, "owners")
    for _ in range(3):
        await stage.ask("спасибо", BORIS)
        assert instruct("ru", "summary.preface") not in asked(model)
    assert "14 дней" not in await soon(stage, lambda: summary_request(stage))


def looks(stage: Stage, chat: int) -> dict[str, str]:
    """The texts that the newest message shows in each way, by the kind of the entity."""
    message = stage.telegram.transcript(chat)[-1]
    found: dict[str, str] = {}
    for one in message["entities"]:
        text = message["text"].encode("utf-16-le")[2 * one["offset"] : 2 * (one["offset"] + one["length"])]
        found[one["type"]] = found.get(one["type"], "") + text.decode("utf-16-le")
    return found


def asked(model: ScriptedModel) -> str:
    return "\n".join(message.text for message in model.requests[-1].messages)


def summary_request(stage: Stage) -> str:
    """The newest request for a summary, "" before there is one."""
    return "".join(str(seen.body["messages"]) for seen in stage.studio.seen("completion")[-1:])


LEANING = {  # the first question, what leans on it, what the helper model makes of that, what it is found by
    "ru": (
        "Are laptops repaired for free?", "а кто за неё платит?", "Кто платит за доставку, если товар неисправен?",
        "Обратная доставка бесплатна",
    ),
    "en": (
        "За сколько дней можно вернуть товар?", "and what about them?", "Are laptops repaired for free for one year?",
        "Laptops are repaired",
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", LEANING)
async def test_a_question_that_leans_on_the_dialog_is_searched_for_as_the_helper_model_rewrites_it(
    stage: Stage, docs: Path, language: str
) -> None:
    model = await known(stage, docs)
    person, (first, leaning, whole, found) = {"ru": BORIS, "en": ANNA}[language], LEANING[language]
    await stage.ask(first, person)
    assert stage.studio.seen("completion") == []  # nothing was said before
    stage.studio.script(whole)
    await stage.ask(leaning, person)
    (request,) = stage.studio.seen("completion")
    assert request.body["messages"][0]["text"] == instruct(language, "knowledge.rewrite")
    assert first in request.body["messages"][1]["text"]
    assert found in asked(model)
    assert leaning in asked(model)  # the model is asked what the person asked
    assert len(rows(stage, "SELECT * FROM usage WHERE mode = 'aside'")) == 1


async def test_a_rewriting_that_fails_leaves_the_question_behind_the_one_before_it(stage: Stage, docs: Path) -> None:
    model = await known(stage, docs, *["Вернуть товар можно в течение 14 дней [a1]."] * 2)
    await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    stage.studio.fail_next("completion", status=400)
    assert "14 дней" in await stage.ask("а мне?", BORIS)
    assert "a1 Вернуть товар можно в течение 14 дней." in model.requests[-1].messages[-1].text


async def test_a_question_that_can_be_searched_for_alone_is_so_when_its_rewriting_fails_or_drops_it(
    stage: Stage, docs: Path
) -> None:
    model = await known(stage, docs, *["Laptops are repaired for free for one year [a1]."] * 3)
    await stage.ask("За сколько дней можно вернуть товар?")
    stage.studio.script("Canberra is the capital of Australia.")
    await stage.ask("Are laptops repaired for free?")
    assert "a1 Laptops are repaired for free" in asked(model)
    stage.studio.fail_next("completion", status=400)
    await stage.ask("Are laptops repaired for free?")
    assert "a1 Laptops are repaired for free" in asked(model)
    assert "Вернуть товар" not in model.requests[-1].messages[-1].text


async def test_stop_while_a_question_is_rewritten_leaves_no_reservation(stage: Stage, docs: Path) -> None:
    await known(stage, docs, "Вернуть товар можно в течение 14 дней [a1].", user_daily_tokens=100_000)
    await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    stage.studio.fail_next("completion", hang=True)
    stage.telegram.say(BORIS, "а мне?")
    await soon(stage, lambda: stage.studio.seen("completion") or None)
    stage.telegram.say(BORIS, "/stop")
    assert await stage.until(lambda: stage.telegram.texts(BORIS)[1:]) == ["Остановлено."]
    assert rows(stage, "SELECT * FROM reservations") == []


def test_a_question_leans_by_few_words_of_its_own_or_by_a_word_that_points() -> None:
    assert leans("а сколько это стоит?")
    assert leans("And for laptops?")
    assert leans("Можно ли его вернуть в магазин, если коробка уже открыта и чека нет?")
    assert not leans("Можно ли вернуть ноутбук в магазин, если коробка открыта, а чек потерян?")
    assert not leans("How many days does a customer have to return a broken laptop to the shop?")
