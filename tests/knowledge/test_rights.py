"""Nobody is shown what they may not read: 5,000 people, 200 groups and 10,000 passages while rights change."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from bot.billing.metering import Meter
from bot.clock import SystemClock
from bot.concurrency.child_pool import ChildPool
from bot.knowledge.answer.citing import Citing
from bot.knowledge.answer.evidence import Evidence
from bot.knowledge.answering import KnowledgeAnswers
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.rights import groups_of, readable
from bot.storage.repositories.knowledge.passages import Article, NewPassage, pack_sentences
from bot.storage.store import Store, Tx
from bot.storage.tables import knowledge
from bot.storage.tables.knowledge import KnowledgeSource
from bot.types import Address, Incoming, User

BOT = 42
PEOPLE, GROUPS, SOURCES, ARTICLES, PASSAGES = 5_000, 200, 100, 20, 5  # articles of a source, passages of an article
QUESTIONS = 100
ROLES = ("", "", "user", "user", "operator", "admin", "owner")
RANK = {"": 0, "user": 1, "operator": 2, "admin": 3, "owner": 4}
NEEDED = {"members": 1, "operators": 2, "admins": 3, "owners": 4}
WORDS = ("anchor", "basket", "candle", "dagger", "engine", "feather", "garden", "hammer", "island", "jacket", "kettle")
ORIGIN = re.compile(r"s(\d+)a(\d+)")  # stands in every title and passage: the source and the article that it is of


@dataclass
class World:
    """Who may read what, kept beside the database and judged by rules that are written down a second time here."""

    store: Store
    random: Random = field(default_factory=lambda: Random(1))
    roles: dict[int, str] = field(default_factory=dict)
    audiences: dict[int, Sequence[str]] = field(default_factory=dict)  # by source
    closed: dict[str, str] = field(default_factory=dict)  # the group that alone may read an article, by its origin
    gone: set[str] = field(default_factory=set)  # articles, by their origin
    seen: Counter[str] = field(default_factory=Counter)

    async def fill(self) -> None:
        self.roles = {person: self.random.choice(ROLES) for person in range(1, PEOPLE + 1)}

        def fill(tx: Tx) -> None:
            for number in range(SOURCES):
                audience = self.audience()
                source = tx.sources.add_source(
                    BOT, KnowledgeSource(name=f"s{number}", kind="folder", address="/", audience=audience)
                )
                self.audiences[source] = audience
                for article in range(ARTICLES):
                    self.store_article(tx, source, f"s{source}a{article}")

        await self.store.write(fill)

    def store_article(self, tx: Tx, source: int, origin: str) -> None:
        if self.random.random() < 0.2:
            self.closed[origin] = self.random.choice(list(NEEDED))
        texts = [f"The {self.random.choice(WORDS)} of {origin} costs {number} roubles." for number in range(PASSAGES)]
        passages = [
            NewPassage(f"Prices of {origin}", text, pack_sentences(((0, len(text)),)), f"{origin} {text}".encode())
            for text in texts
        ]
        about = Article(origin, f"Prices of {origin}", origin, 1_000.0, audience=self.closed.get(origin, ""))
        tx.knowledge.store_article(source, about, passages)

    def audience(self) -> tuple[str, ...]:
        kinds = ("everyone", self.random.choice(list(NEEDED)), f"user:{self.random.randint(1, PEOPLE)}")
        chats = [f"chat:-{self.random.randint(1, GROUPS)}" for _ in range(10)]
        return tuple(self.random.sample(chats + list(kinds), self.random.randint(0, 6)))

    def question(self) -> Incoming:
        person = self.random.randint(1, PEOPLE)
        private, alone = self.random.random() < 0.4, self.random.random() < 0.3
        chat = person if private else -self.random.randint(1, GROUPS)
        where = Address("telegram", BOT, chat, visible_to=person if alone and not private else 0)
        return Incoming("1", where, User(person), private=private)

    def belongs(self, asked: Incoming, group: str) -> bool:
        person, (kind, _, number) = asked.user.id, group.partition(":")
        if kind == "chat":
            return not asked.private and asked.address.chat == int(number)
        if group == "everyone":
            return True
        if not asked.private and not asked.address.visible_to:
            return False  # the whole group reads the answer
        return int(number) == person if number else RANK[self.roles[person]] >= NEEDED[group]

    def may_read(self, asked: Incoming, source: int) -> bool:
        return any(self.belongs(asked, group) for group in self.audiences[source])

    def foreign(self, asked: Incoming, *texts: str) -> list[str]:
        """What stands in these texts although this person may not read it here, or it is gone."""
        found = {match[0]: int(match[1]) for text in texts for match in ORIGIN.finditer(text)}
        return [
            origin
            for origin, source in found.items()
            if origin in self.gone
            or not self.may_read(asked, source)
            or (origin in self.closed and not self.belongs(asked, self.closed[origin]))
        ]

    async def change(self, quoted: Sequence[str]) -> None:
        """Rights change: of a source that was just quoted, or of any; or an article goes."""
        origin = self.random.choice(quoted or [f"s{self.random.choice(list(self.audiences))}a0"])
        source = int(origin[1:].partition("a")[0])
        if self.random.random() < 0.3:
            self.gone.add(origin)
            await self.store.write(lambda tx: tx.knowledge.end_articles(source, [origin]))
        elif self.random.random() < 0.1:
            self.audiences[source] = ()
            await self.store.write(lambda tx: tx.sources.remove_source(source))
        else:
            self.audiences[source] = audience = self.audience()
            await self.store.write(lambda tx: tx.change_all(KnowledgeSource, {"audience": audience}, id=source))


@pytest.fixture
async def world(tmp_path: Path, template: Path) -> AsyncIterator[World]:
    path = shutil.copy(template, tmp_path / "bot.db")
    async with Store.open(f"sqlite+aiosqlite:///{path}", SystemClock()) as store:
        found = World(store)
        await found.fill()
        yield found


async def test_what_may_not_be_read_is_in_no_prompt_no_answer_no_title_and_no_count(
    world: World, tmp_path: Path
) -> None:
    pool = ChildPool()
    base = KnowledgeBase(store=world.store, bot=BOT, files=pool, meter=Meter(store=world.store), cache=tmp_path)
    levels = [
        KnowledgeAnswers(base=base, level=level, role=lambda incoming: world.roles[incoming.user.id])
        for level in ("cited", "extract")
    ]
    await compare_everybody(world)
    for number in range(QUESTIONS):
        asked, word = world.question(), world.random.choice(WORDS)
        evidence = await levels[number % 2].look(asked, f"What does the {word} cost in roubles?", "en")
        may = sum(world.may_read(asked, source) for source in world.audiences)
        assert await readable_count(base, world, asked) == may
        if evidence is None:
            assert not may
            continue
        assert world.foreign(asked, evidence.block, evidence.unknown, *texts(evidence)) == []
        citing = Citing(evidence)
        text = citing.feed(" ".join(repeated(evidence))) + citing.end() if evidence.block else citing.extract()
        text = text or evidence.unknown
        assert world.foreign(asked, text, citing.below, str(citing.sources)) == []
        quoted = [match[0] for match in ORIGIN.finditer(text)]
        world.seen["unknown" if citing.is_empty else "answered"] += 1
        await world.change(quoted)
        left = await world.store.read(lambda tx, citing=citing: citing.without_withdrawn(tx, BOT))  # type: ignore[misc]
        lost = world.foreign(asked, text)
        world.seen["lost" if lost else "kept"] += 1
        assert (left is not None) >= bool(lost), "what was lost before the answer is sent is not sent"
        if left is not None:
            assert world.foreign(asked, left, citing.below, str(citing.sources)) == []
    assert min(world.seen[kind] for kind in ("answered", "lost", "kept")) > QUESTIONS // 10, world.seen
    await pool.close()


async def compare_everybody(world: World) -> None:
    """What each of the people may read somewhere is what the audiences say."""
    sources = await world.store.read(lambda tx: tx.all(knowledge.SOURCES, bot=BOT))
    for person in range(1, PEOPLE + 1):
        asked = replace(world.question(), user=User(person))
        found = readable(sources, groups_of(world.roles[person], person, asked.address, private=asked.private))
        some = world.random.sample(sources, 10)
        assert [one.id in found for one in some] == [world.may_read(asked, one.id) for one in some]


async def readable_count(base: KnowledgeBase, world: World, asked: Incoming) -> int:
    role = world.roles[asked.user.id]
    return len(await base.readable(groups_of(role, asked.user.id, asked.address, private=asked.private)))


def texts(evidence: Evidence) -> Iterator[str]:
    for one in evidence.passages:
        yield f"{one.title} {one.place} {one.text}"


def repeated(evidence: Evidence) -> Iterator[str]:
    """An answer of a model that says every sentence it was shown, each with its mark."""
    for letter, one in zip("abcdefgh", evidence.shown, strict=False):
        yield f"{one.sentences[0]} [{letter}1]"
