"""Topics of questions in the bot: who answers, what is asked with two buttons, and what operators correct."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from bot.conversation.topic_choice import PATIENCE
from bot.features.topics.watch import EVERY
from bot.runtime.bot import Bot
from bot.sandbox.telegram.server_facade import buttons_of, find_button
from bot.storage.repositories.knowledge.topics import MOST_SAMPLES
from bot.storage.store import Tx
from bot.storage.tables.knowledge import EVERYONE, SAMPLES, SOURCES
from bot.texts.catalog import say
from tests.support.choosing import choose, labels, pressed, toasts
from tests.support.loaded import Loaded, among
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows, soon

FILE = """
[topic.returns]
title = { ru = "Возврат", en = "Returns" }
examples = [
  "I want to return my order", "return the order, money back", "how to return an order for money",
  "return my money for the order",
]
words = ["refund*", "возврат*"]
persona = "translator"

[topic.delivery]
title = { ru = "Доставка", en = "Delivery" }
examples = [
  "where is the parcel of the courier", "when will the courier bring the parcel", "the courier lost a parcel",
  "parcel by courier tomorrow",
]
words = ["Счёт"]

[topic.urgent]
kind = "flag"
title = "Urgent"
words = ["asap"]

[topic.general]
title = { ru = "Прочее", en = "The rest" }

[routing]
other = "general"
"""
DELIVERY, BETWEEN = "did the courier bring my parcel", "my order and the parcel"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "routing.toml"
    path.write_text(FILE)
    return path


async def opened(stage: Stage, file: Path, **settings: object) -> Bot:
    return await stage.start(owners=[ANNA], routing=file, **settings)


def chosen(stage: Stage) -> list[tuple[str, str]]:
    return rows(stage, "SELECT topic, way FROM topic_choices ORDER BY question_id")


def told(stage: Stage, words: str) -> list[str]:
    return [text for text in stage.telegram.texts(ANNA) if words in text]


def persona(stage: Stage) -> bool:
    """Whether the persona of the topic "returns" was asked last."""
    return any(word in stage.prompts()[-1][0]["text"] for word in ("professional translator", "переводчик"))


def model(stage: Stage) -> str:
    return str(stage.studio.seen("completion")[-1].body["modelUri"].split("/")[-1])


def everything(stage: Stage, chat: int = ANNA) -> list[str]:
    return [button["text"] for message in stage.telegram.transcript(chat) for button in buttons_of(message)]


def read_by(tx: Tx, name: str, groups: Sequence[str]) -> None:
    source = next(one for one in (tx.one(SOURCES, id=id_) for id_ in (1, 2)) if one and one.name == name)
    tx.change(source, audience=groups)


async def test_the_topic_of_a_question_brings_its_persona_and_model_and_holds_until_another_wins_twice(
    stage: Stage, file: Path
) -> None:
    file.write_text(FILE.replace('persona = "translator"', 'persona = "translator"\nmodel = "yandexgpt-lite"'))
    await opened(stage, file)
    await stage.ask("refund please")
    assert (persona(stage), model(stage)) == (True, "yandexgpt-5-lite")
    context = await stage.ask("/context")
    assert say("en", "context.topic", title="Returns", way=say("en", "topic.way.words")) in context
    assert "YandexGPT 5 Lite" in context
    for question, topic, way in (
        ("tell me a joke", "returns", "held"), (DELIVERY, "returns", "held"), (DELIVERY, "delivery", "near"),
    ):  # fmt: skip
        await stage.ask(question)
        assert (chosen(stage)[-1], persona(stage)) == ((topic, way), topic == "returns")
    await stage.ask("/new")
    await stage.ask("tell me a joke")
    assert (chosen(stage)[-1], persona(stage)) == (("general", "near"), False)


async def test_what_a_person_has_chosen_by_hand_wins_over_the_topic(stage: Stage, file: Path) -> None:
    file.write_text(FILE.replace('persona = "translator"', 'persona = "translator"\nmodel = "yandexgpt-lite"'))
    await opened(stage, file)
    await choose(stage, "Teacher")
    await stage.ask("/model")
    await pressed(stage, "Alice AI")
    await stage.ask("refund please")
    assert chosen(stage) == [("returns", "words")]
    assert (persona(stage), stage.studio.seen("completion")[-1].body["modelUri"].split("/")[-1]) == (
        False,
        "aliceai-llm",
    )
    assert "teacher" in stage.prompts()[-1][0]["text"].lower()


@pytest.mark.parametrize("who", [ANNA, BORIS])
async def test_between_two_topics_the_person_is_asked_and_the_question_answered_after_the_press(
    stage: Stage, file: Path, who: int
) -> None:
    language = "en" if who == ANNA else "ru"
    await opened(stage, file)
    assert await stage.ask(BETWEEN, who) == say(language, "topic.which")
    assert stage.prompts() == []
    titles = labels(stage, who)
    assert set(titles) == ({"Returns", "Delivery"} if who == ANNA else {"Возврат", "Доставка"})
    title = "Returns" if who == ANNA else "Возврат"
    await stage.press(title, who)
    await stage.until(lambda: BETWEEN in stage.telegram.texts(who)[-1] or None)
    assert (chosen(stage), persona(stage), len(stage.telegram.texts(who))) == ([("returns", "person")], True, 1)
    await stage.ask("and how long does it take?", who)
    assert chosen(stage)[-1] == ("returns", "held")
    assert [row["text"] for row in stage.prompts()[-1]].count(BETWEEN) == 1


async def test_a_greeting_is_about_nothing_and_keeps_the_topic(stage: Stage, file: Path) -> None:
    examples = ", ".join(f'"привет {word}"' for word in ("всем", "тебе", "снова"))
    file.write_text(
        FILE.replace('"where is the parcel of the courier",', f'"where is the parcel of the courier", {examples},')
    )
    await opened(stage, file)
    for said, topic, way in (
        ("привет!", "general", "other"),
        ("refund", "returns", "words"),
        ("Thanks", "returns", "held"),
    ):
        await stage.ask(said)
        assert chosen(stage)[-1] == (topic, way)
    assert persona(stage)


async def test_a_question_whose_buttons_nobody_presses_is_read_with_the_next_message(stage: Stage, file: Path) -> None:
    await opened(stage, file)
    await stage.ask(BETWEEN)
    late = find_button(stage.telegram.transcript(ANNA), "Returns")
    await stage.ask("the courier has it")
    assert chosen(stage) == [("general", "near"), ("delivery", "near")]
    assert stage.prompts()[-1][1:] == [{"role": "user", "text": f"{BETWEEN}\nthe courier has it"}]
    await soon(stage, lambda: "Returns" not in everything(stage) or None)
    stage.telegram.press(ANNA, *late)
    await stage.until(lambda: say("en", "old.button") in toasts(stage) or None)
    assert len(stage.prompts()) == 1
    await stage.ask("/new")
    assert await stage.ask(BETWEEN) == say("en", "topic.which")
    await stage.ask(BETWEEN)
    assert (len(stage.prompts()), chosen(stage)[-1][1]) == (2, "guess"), "nobody is asked twice in a row"


async def test_what_is_unsure_is_asked_of_ai_studio_once(stage: Stage, file: Path) -> None:
    file.write_text(FILE + 'classifier = "fewshot"\nask_below = 0.02\n')
    await opened(stage, file)
    await stage.ask(DELIVERY)
    await stage.ask("/new")
    assert stage.studio.seen("fewShotTextClassification") == []
    file.write_text(FILE + 'classifier = "fewshot"\nask_below = 0.5\n')
    await stage.ask(BETWEEN)
    (asked,) = stage.studio.seen("fewShotTextClassification")
    assert set(asked.body["labels"]) == {"Возврат", "Доставка"}
    assert chosen(stage)[-1][1] == "fewshot"
    await stage.ask("/new")
    stage.studio.fail_next("fewShotTextClassification", times=9, hang=True)
    assert await stage.ask(f"{BETWEEN}!") == say("en", "topic.which"), "what meaning has told goes on"


async def test_what_topics_cost_stands_in_usage(stage: Stage, file: Path) -> None:
    file.write_text(FILE + 'classifier = "fewshot"\nask_below = 0.5\n')
    await opened(stage, file, topic_price=Decimal("0.4"))
    await stage.ask(BETWEEN)
    examples = rows(stage, "SELECT user, units > 20, cost > 0, mode FROM usage WHERE turn = 'topics'")
    assert examples == [(0, 1, 1, "embedding")], "the examples of the file are nobody's"
    assert rows(stage, "SELECT model, user, cost FROM usage WHERE mode = 'topic'") == [
        ("few-shot-classifier", ANNA, 400_000)
    ]
    assert "topics of questions: 0.40 RUB, " in await stage.ask("/usage")


async def test_a_flag_stands_beside_a_topic_that_is_told_by_meaning(stage: Stage, file: Path) -> None:
    await opened(stage, file)
    await stage.ask(f"asap: {DELIVERY}")
    assert rows(stage, "SELECT topic, way, flags FROM topic_choices") == [("delivery", "near", "urgent")]


async def test_a_classifier_that_fails_or_hangs_leaves_the_words_and_delays_nobody(stage: Stage, file: Path) -> None:
    loop = asyncio.get_running_loop()
    for how in ({"status": 500}, {"hang": True}):
        await opened(stage, file, embeddings="yandex")
        await stage.ask("/new")
        await stage.ask("hello there")  # the examples are learned
        stage.studio.fail_next("textEmbedding", times=9, **how)
        began = loop.time()
        await stage.ask(f"{DELIVERY} {how}")
        assert loop.time() - began < PATIENCE + 1.0
        assert chosen(stage)[-1][0] == "general"
        await stage.ask("/new")
        await stage.ask(f"refund {how}")
        assert chosen(stage)[-1] == ("returns", "words")
        await stage.crash()


@pytest.mark.parametrize("who", [ANNA, BORIS])
async def test_an_operator_corrects_a_topic_and_questions_like_it_have_it_from_then_on(
    stage: Stage, file: Path, who: int
) -> None:
    language = "en" if who == ANNA else "ru"

    def word(key: str, **values: object) -> str:
        return say(language, key, **values)

    app = await opened(stage, file)
    if who == BORIS:
        await app.joining.directory.write(
            lambda tx: tx.members.store_member(app.telegram.api.id, BORIS, "operator", ANNA)
        )
    question = "The box from Mr John Smith +7 921 555-01-02 never came"
    await stage.ask(question, who)
    general, delivery = ("The rest", "Delivery") if who == ANNA else ("Прочее", "Доставка")
    assert await pressed(stage, word("topic.wrong", title=general), chat=who) == word(
        "topic.right", question=question, topic=general
    )
    assert general not in labels(stage, who)
    assert await pressed(stage, delivery, chat=who) == word("topic.corrected", title=delivery)
    assert rows(stage, 'SELECT topic, text, "user" FROM topic_samples') == [
        ("delivery", "The box from … +0 never came", who)
    ]
    assert chosen(stage) == [("delivery", "person")]
    await stage.ask("/new", who)
    await asyncio.sleep(EVERY)
    await stage.ask("a box from Mr Jack never came", who)
    assert chosen(stage)[-1] == ("delivery", "near")
    await pressed(stage, word("topic.wrong", title=delivery), general, chat=who)
    await stage.ask("/new", who)
    await stage.ask(question, who)
    await pressed(stage, word("topic.wrong", title=delivery), general, chat=who)
    assert [row[0] for row in rows(stage, "SELECT topic FROM topic_samples")] == ["general", "general"]


async def test_a_text_counts_once_and_a_topic_keeps_its_newest_200(stage: Stage) -> None:
    app = await stage.start()

    def add(tx: Tx) -> Sequence[tuple[str, str]]:
        for number in range(MOST_SAMPLES + 5):
            tx.question_topics.add_sample(1, ANNA, "a", f"text {number}", f"mark {number}")
        tx.question_topics.add_sample(1, ANNA, "b", "text 9", "mark 9")
        return [(one.text, one.topic) for one in tx.all(SAMPLES, bot=1)]

    found = await app.store.write(add)
    assert found[0] == ("text 5", "a")
    assert [row for row in found if row[0] == "text 9"] == [("text 9", "b")]
    assert len(found) == MOST_SAMPLES


async def test_only_operators_correct_topics_and_in_groups_by_a_reply_to_any_question(stage: Stage, file: Path) -> None:
    await opened(stage, file)
    await stage.ask("refund please", BORIS)
    assert labels(stage, BORIS) == ["↻"]
    await stage.ask("@govorun_sandbox_bot refund please", TEAM, ANNA)
    await stage.press(say("en", "topic.wrong", title="Returns"), TEAM, BORIS)
    await stage.until(lambda: say("ru", "admins.only") in toasts(stage) or None)
    assert rows(stage, "SELECT 1 FROM topic_samples") == []
    asked = stage.telegram.say(TEAM, "@govorun_sandbox_bot the courier lost my parcel", BORIS)
    await stage.texts(2, TEAM)
    stage.telegram.say(TEAM, "/topic", ANNA, 0, asked["message_id"])
    await stage.texts(3, TEAM)
    await stage.press("Delivery", TEAM, ANNA)
    await soon(stage, lambda: rows(stage, "SELECT 1 FROM topic_samples WHERE topic = 'delivery'"))


async def test_the_sources_and_the_level_of_a_topic_count_and_open_nothing(
    stage: Stage, file: Path, tmp_path: Path
) -> None:
    for name, text in (("shop", "Orders are returned within 14 days."), ("law", "Orders are returned within a year.")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text(f"# Returns\n\n{text}\n")
    rest = 'knowledge = ["all"]\nlevel = "extract"'
    file.write_text(FILE.replace('persona = "translator"', rest) + '[knowledge]\nall = ["shop"]\n')
    app = await opened(stage, file, embeddings="off")
    for name in ("shop", "law"):
        await stage.ask(f"/kb add {tmp_path / name}")
        await soon(stage, partial(rows, stage, f"SELECT 1 FROM kb_sources WHERE name = '{name}' AND synced"))
        await app.store.write(partial(read_by, name=name, groups=[EVERYONE]))
    answer = await stage.ask("refund: when are orders returned?", BORIS)
    assert "14" in answer
    assert "year" not in answer
    assert stage.prompts() == [], "its level is extract"
    await app.store.write(lambda tx: read_by(tx, "shop", []))
    answer = await stage.ask("refund: when are orders returned?!", BORIS)
    assert "14" not in answer
    assert "year" not in answer


async def test_a_broken_file_is_told_to_the_owner_once_and_the_last_good_one_goes_on(stage: Stage, file: Path) -> None:
    await opened(stage, file)
    await stage.ask("refund please")
    for text, words in (
        (FILE.replace('"return my money for the order",', '"one'), "line 6"),
        (
            FILE.replace('["Счёт"]', '["refund*"]'),
            "line 17: topic.delivery.words: the word 'refund*' stands",
        ),
        (FILE.replace('persona = "translator"', 'persona = "pirate"'), "there is no persona 'pirate'"),
    ):
        file.write_text(text)
        (first,) = await soon(stage, partial(told, stage, words))
        assert first.startswith(say("en", "topic.problem", problems=str(file)))
        await stage.ask("refund please")
        assert chosen(stage)[-1] == ("returns", "words")
        await stage.crash()
        await stage.start()
        await asyncio.sleep(3 * EVERY)
        assert len(told(stage, words)) == 1
        file.write_text(FILE)
        await asyncio.sleep(2 * EVERY)


@pytest.mark.process
def test_a_bot_without_topics_and_sources_imports_nothing_of_them(loaded: Loaded) -> None:
    late = ("bot.llm.topics", "bot.conversation.topic_choice", "bot.features.topics", "bot.knowledge.search", "numpy")
    assert among(loaded.bot, late) == []
