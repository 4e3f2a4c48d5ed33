"""`govorun kb calibrate` and `eval`: how well the search does on the operator's own questions."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from bot.ai import StoreChunk, StoreFile
from bot.billing.metering import BillTo, Meter
from bot.billing.pricing import Price, PriceList
from bot.cli.kb_calibrate import calibrate, store_gate
from bot.cli.kb_eval import evaluate
from bot.clock import SystemClock
from bot.concurrency.child_pool import ChildPool
from bot.errors import BadInput
from bot.evaluation.cases import read_table
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.passages import Block
from bot.knowledge.search.gate import BY_WORDS, Gate
from bot.knowledge.sources.source import Found
from bot.knowledge.sync import prepared
from bot.storage.repositories.knowledge.passages import VECTOR_STORE
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import Gap, KnowledgeSource
from bot.types import Address
from tests.knowledge.test_index import BOT
from tests.knowledge.test_retrieval import Letters
from tests.support.workspace import workspace

PAYER = BillTo(Address("telegram", BOT, 1), 1, "turn")
NAMES = """
торшер лампа люстра светильник бра прожектор гирлянда ночник абажур плафон провод розетка цоколь датчик пульт таймер
лента фонарь подвес кронштейн выключатель диммер трансформатор патрон
"""
GOODS = NAMES.split()


@pytest.fixture
async def store(tmp_path: Path, template: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'bot.db')}", SystemClock()) as store:
        yield store


class Terminal(list[str]):
    """What a command has printed; `asked` is what it asked, and was agreed to."""

    def __init__(
        self,
        store: Store,
        embedder: Letters | None = None,
        *,
        price: str = "0",
        cache: Path = Path(),
        agrees: bool = True,
    ) -> None:
        super().__init__()
        self.agrees = agrees
        self.asked: list[str] = []
        base = base_of(store, embedder, price)
        base.cache = cache
        self.work = workspace(store, BOT, self.append, self._agree, knowledge=base)

    def _agree(self, question: str) -> bool:
        self.asked.append(question)
        return self.agrees

    @property
    def text(self) -> str:
        return "\n".join(self)


def base_of(store: Store, embedder: Letters | None = None, price: str = "0") -> KnowledgeBase:
    tariff = Price("embedding", "letters", price=Decimal(price))
    tariffs = PriceList(questions=tariff, documents=tariff)
    meter = Meter(store=store, tariffs=tariffs)
    return KnowledgeBase(store=store, bot=BOT, files=ChildPool(), meter=meter, cache=Path(), embedder=embedder)


async def shop(store: Store) -> None:
    """A source whose pages say what each of the goods costs, and a table of questions about them."""

    def fill(tx: Tx) -> None:
        source = tx.sources.add_source(
            BOT, KnowledgeSource(name="shop", kind="folder", address="shop", audience=("everyone",))
        )
        for number, name in enumerate(GOODS):
            blocks = (Block(f"Цена на {name}: {number} рублей, доставка товара бесплатна."),)
            page = Found(key=f"goods/{name}.md", title=name.capitalize(), blocks=blocks)
            tx.knowledge.store_article(source, *prepared(page, 0.0))
        rows = tuple(Block(f"{number} рублей.", (f"Какая цена на {name}?",)) for number, name in enumerate(GOODS))
        tx.knowledge.store_article(source, *prepared(Found(key="faq.csv", title="faq", blocks=rows), 0.0))

    await store.write(fill)


def test_cases_are_read_out_of_tables_in_both_languages_and_out_of_plain_text(tmp_path: Path) -> None:
    def read(data: bytes) -> list[tuple[str, str, bool, str]]:
        (tmp_path / "q.csv").write_bytes(data)
        return [(one.question, one.page, one.must_refuse, one.place) for one in read_table(tmp_path / "q.csv")]

    assert read("вопрос;страница;текст\n Где?;a.md;\nКто?;;\nКто?;-;\n".encode("cp1251")) == [
        ("Где?", "a.md", False, "q.csv:2"),
        ("Кто?", "", True, "q.csv:3"),
    ]
    assert read(b'Question,Page\n"Where, exactly?",https://example.org/a\n') == [
        ("Where, exactly?", "https://example.org/a", False, "q.csv:2")
    ]
    assert read(b"question,answer\nWhere?,Here.\n") == [("Where?", "", False, "q.csv:2")]
    assert read("Где?\n\nКогда, и кому?\n".encode()) == [
        ("Где?", "", False, "q.csv:1"),
        ("Когда, и кому?", "", False, "q.csv:3"),
    ]
    for data, said in ((b"question,page\n", "no question"), (b"\0\1", "no text")):
        with pytest.raises(BadInput, match=said):
            read(data)


async def test_a_gate_is_fitted_on_the_questions_of_the_base_itself_and_used_by_all_processes(store: Store) -> None:
    await shop(store)
    running = base_of(store)
    await running.search("цена", frozenset({"everyone"}), PAYER)
    assert running.gate == BY_WORDS
    terminal = Terminal(store)
    await store.write(lambda tx: tx.gates.store_gate(BOT, "", Gate((0.0,) * 6, 0.0, 1.0).to_json()))  # lets nothing in
    await calibrate(terminal.work, None)
    assert "24 questions that the sources answer, 60 about something else (60 of them Govorun's own)." in terminal[0]
    assert terminal[2].startswith("  of 100 that the sources answer, 100 pass; with the gate of now 0"), terminal.text
    assert "24 questions are too few to tell more exactly than" in terminal.text
    assert "it is stored" in terminal.text.lower()
    found = await running.search("Какая цена на торшер?", frozenset({"everyone"}), PAYER)
    assert running.gate not in (BY_WORDS, Gate((0.0,) * 6, 0.0, 1.0))
    assert running.gate.passes(found.signals)
    far = await running.search("Сколько струн у скрипки?", frozenset({"everyone"}), PAYER)
    assert not running.gate.passes(far.signals)
    await store_gate(terminal.work, None)
    await running.search("цена", frozenset({"everyone"}), PAYER)
    assert running.gate == BY_WORDS


async def test_a_gate_belongs_to_the_embeddings_it_was_fitted_with_and_their_price_is_said_first(
    store: Store, tmp_path: Path
) -> None:
    await shop(store)
    letters = Letters()
    paid = Terminal(store, letters, price="0.01")
    await paid.work.knowledge.embed(10**9)
    file = tmp_path / "own.csv"
    rows = [f"Сколько просят за {name},goods/{name}.md" for name in GOODS]
    file.write_text("\n".join(["question,page", *rows, "Где оно?,goods/nowhere.md", "Кто это?,"]), "utf-8")
    await store.write(lambda tx: _refused(tx, "какая цена у торшера"))
    await calibrate(paid.work, file)
    assert paid.asked[0].startswith("86 questions to embed, about ")
    assert paid[0] == "  Left out, because no source has the page or text that it names: Где оно?"
    assert "61 about something else (60 of them Govorun's own)." in paid[1]
    assert "Within the subject: with what answers them taken out, " in paid.text
    assert "Of 1 questions that the sources did not answer (govorun kb gaps)" in paid.text
    stored = await store.read(lambda tx: tx.gates.list_gates(BOT))
    assert set(stored) <= {"letters"}
    declined = Terminal(store, Letters(), price="0.01", agrees=False)
    await calibrate(declined.work, file)
    assert declined[1:] == []


async def test_eval_says_what_is_found_what_is_missed_and_what_a_change_did(store: Store, tmp_path: Path) -> None:
    await shop(store)
    file = tmp_path / "cases.csv"
    rows = [f"Какая цена на {name}?,goods/{name}.md," for name in GOODS[:4]]
    texts = ["Цена люстра?,,2 рублей", "Что сколько?,goods/бра.md,", "Давно?,goods/gone.md,", "Где луна?,-,", "Кто?,,"]
    file.write_text("\n".join(["question,page,text", *rows, *texts]), "utf-8")
    everyone = frozenset({"everyone"})
    terminal = Terminal(store, cache=tmp_path)
    await evaluate(terminal.work, file, everyone)
    assert terminal[0] == f"6 questions of {file}, found by words in 1 sources."
    assert terminal[1:5] == [f"  {name:<8}  83.3  (43.6 to 97.0)" for name in ("R@1", "R@5", "R@10", "nDCG@10")]
    assert terminal[5:] == [
        "Not among the first ten:\n  Что сколько? -> goods/бра.md (not found)",
        "Left out, because nothing that they may read has the page or the text:\n  Давно? -> goods/gone.md",
        "0 of 2 questions about something else pass the gate (govorun kb calibrate).",
    ]

    def change(tx: Tx) -> None:
        tx.knowledge.end_articles(1, ["goods/лампа.md"])
        louder = Found(key="sale.md", title="Цена на торшер", blocks=(Block("Какая цена на торшер? Цена на торшер."),))
        tx.knowledge.store_article(1, *prepared(louder, 0.0))

    await store.write(change)
    again = Terminal(store, cache=tmp_path)
    await evaluate(again.work, file, everyone)
    assert again[1] == "  R@1       60.0  (23.1 to 88.2)"
    assert "Какая цена на лампа? -> goods/лампа.md" in again.text
    assert again[-2].endswith(" 0 are found higher and 1 lower, of 5; as much happens by chance (p = 1.00).")
    assert again[-1] == "Lower:\n  Какая цена на торшер?: place 1 -> place 2"


async def test_eval_looks_only_at_what_may_be_read_and_says_it_for_each_source(store: Store, tmp_path: Path) -> None:
    await shop(store)

    def hide(tx: Tx) -> None:
        secret = tx.sources.add_source(
            BOT, KnowledgeSource(name="secret", kind="folder", address="s", audience=("admins",))
        )
        page = Found(key="wages.md", title="Wages", blocks=(Block("Salaries are paid on the fifth."),))
        tx.knowledge.store_article(secret, *prepared(page, 0.0))

    await store.write(hide)
    file = tmp_path / "cases.csv"
    file.write_text("question,source\nWhen are salaries paid?,secret\nЦена на бра,shop\n", "utf-8")
    everyone = Terminal(store, cache=tmp_path)
    await evaluate(everyone.work, file, frozenset({"everyone"}))
    assert everyone[0].startswith("1 questions")
    assert everyone[-1].endswith("has the page or the text:\n  When are salaries paid? -> secret")
    admin = Terminal(store, cache=tmp_path)
    await evaluate(admin.work, file, frozenset({"everyone", "admins"}))
    assert admin[5:] == [
        f"  {name}: 1 questions · R@1 100 · R@5 100 · R@10 100 · nDCG@10 100" for name in ("secret", "shop")
    ]
    file.write_text("Где?\n", "utf-8")
    with pytest.raises(BadInput, match="does not say what should be found"):
        await evaluate(admin.work, file, frozenset())


async def test_a_vector_store_is_not_asked_and_the_figures_say_so(store: Store, tmp_path: Path) -> None:
    await shop(store)
    link = KnowledgeSource(name="store", kind=VECTOR_STORE, address="vector-store:fvt1", audience=("everyone",))
    await store.write(lambda tx: tx.sources.add_source(BOT, link))
    terminal, studio = Terminal(store, cache=tmp_path), Asked()
    terminal.work.knowledge.vector_stores = studio
    file = tmp_path / "questions.csv"
    file.write_text("question,page\nЦена на торшер?,goods/торшер.md\nКакая цена на луну?,\n", "utf-8")
    await evaluate(terminal.work, file, frozenset({"everyone"}))
    said = "store is a vector store, which is not asked here: of it only the 0 passages are looked at that it has found"
    assert said in terminal.text
    terminal.clear()
    await calibrate(terminal.work, None)
    assert said in terminal.text
    assert studio.questions == [], "each search of a store is paid"


class Asked:
    """Vector stores that note what they are asked."""

    def __init__(self) -> None:
        self.questions: list[str] = []

    async def search(self, store: str, question: str, *, within: float) -> Sequence[StoreChunk]:
        self.questions.append(question)
        return ()

    async def list_files(self, store: str) -> Sequence[StoreFile]:
        return ()

    async def file_name(self, file: str) -> str:
        return ""


async def test_too_few_questions_are_refused_with_what_is_needed(store: Store, tmp_path: Path) -> None:
    await shop(store)
    file = tmp_path / "few.txt"
    file.write_text("Где?\nКогда?\n", "utf-8")
    with pytest.raises(BadInput, match=r"few\.txt has 2 questions that the sources answer, and at least 20 are needed"):
        await calibrate(Terminal(store).work, file)
    with pytest.raises(BadInput, match="No such file"):
        await calibrate(Terminal(store).work, tmp_path / "none.csv")


def _refused(tx: Tx, question: str) -> None:
    gap = Gap(
        address=Address("telegram", BOT, 1),
        user=1,
        message_id=None,
        question=question,
        reason="refused",
        audience="everyone",
        language="ru",
    )
    tx.add_missing(gap)
