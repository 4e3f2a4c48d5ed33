"""Ligatures, soft hyphens, ё and е: however a source or a question is written, the one is found by the other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bot.billing.metering import Meter
from bot.clock import SystemClock
from bot.concurrency.child_pool import ChildPool
from bot.knowledge.answer.citing import Citing
from bot.knowledge.answering import KnowledgeAnswers
from bot.knowledge.base import KnowledgeBase
from bot.storage.store import Store
from bot.storage.tables.knowledge import KnowledgeSource
from bot.types import Address, Incoming, User
from tests.knowledge.test_index import BOT

HYPHEN, SHORT, DIAERESIS = "\u00ad", "\u0306", "\u0308"
PAGES = {
    "yo.md": "Тёплый плащ чистят щёткой.",
    "ye.md": "Весной ежи уходят из теплиц.",
    "hyphens.md": f"Со{HYPHEN}гла{HYPHEN}со{HYPHEN}ва{HYPHEN}ние до{HYPHEN}го{HYPHEN}во{HYPHEN}ра занимает неделю.",
    "ligatures.md": "The o\ufb03ce re\ufb02ects \ufb01ve di\ufb00erent \ufb02oors.",
    "apart.md": f"Каждый и{SHORT}огурт е{DIAERESIS}мкостью литр хранят в холоде.",
    "spaces.md": "Доставка\u00a0стоит\u202f300\u2009рублей зимой.",
}
QUESTIONS = [
    ("Чем чистят тёплый плащ?", "Тёплый плащ чистят щёткой."),
    ("Чем чистят теплый плащ?", "Тёплый плащ чистят щёткой."),
    (f"Чем чистят те{DIAERESIS}плый плащ щеткой?", "Тёплый плащ чистят щёткой."),
    ("Когда ёжи уходят из теплиц?", "Весной ежи уходят из теплиц."),
    ("Сколько занимает согласование договора?", "Согласование договора занимает неделю."),
    (f"Сколько занимает согла{HYPHEN}сование дого{HYPHEN}вора?", "Согласование договора занимает неделю."),
    ("Which floors does the office reflect?", "The office reflects five different floors."),
    ("Which \ufb02oors does the o\ufb03ce re\ufb02ect?", "The office reflects five different floors."),
    ("Где хранят йогурт ёмкостью литр?", "Каждый йогурт ёмкостью литр хранят в холоде."),
    ("Где хранят йогурт емкостью литр?", "Каждый йогурт ёмкостью литр хранят в холоде."),
    ("Сколько рублей стоит доставка\u00a0зимой?", "Доставка стоит 300 рублей зимой."),
]


@pytest.mark.parametrize("endings", ["md", "txt", "html"])
async def test_what_is_written_with_other_letters_is_found_and_quoted_as_it_is_stored(
    tmp_path: Path, template: Path, endings: str
) -> None:
    docs, files = tmp_path / "docs", ChildPool()
    docs.mkdir()
    for name, text in PAGES.items():
        body = f"<main><p>{text}</p></main>" if endings == "html" else text
        (docs / f"{Path(name).stem}.{endings}").write_text(body, "utf-8")
    database = shutil.copy(template, tmp_path / "bot.db")
    async with Store.open(f"sqlite+aiosqlite:///{database}", SystemClock()) as store:
        base = KnowledgeBase(store=store, bot=BOT, files=files, meter=Meter(store=store), cache=tmp_path)
        await base.sync(
            await base.add(KnowledgeSource(name="docs", kind="", address=str(docs), audience=("everyone",)))
        )
        answers = KnowledgeAnswers(base=base, level="extract", role=lambda _: "user")
        for question, sentence in QUESTIONS:
            asked = Incoming("1", Address("telegram", BOT, 1001), User(1001), text=question)
            evidence = await answers.look(asked, question, "ru")
            assert evidence is not None
            citing = Citing(evidence)
            assert sentence in citing.extract(), question
            (passage, start, end), *_ = citing.spans
            stored = {one.passage: one.text for one in evidence.shown}
            assert stored[passage][start:end] == sentence
    await files.close()
