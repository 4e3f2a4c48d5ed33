"""A bot that knows a handbook, and a model that is scripted. Begin with `known`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot.billing.metering import Meter
from bot.concurrency.child_pool import ChildPool
from bot.knowledge.base import KnowledgeBase
from bot.runtime.bot import Bot
from bot.storage.repositories.knowledge.sources import KnowledgeSource
from tests.support.scripted_model import ScriptedModel
from tests.support.stage import ANNA, Stage

RETURNS = """# Возврат

## Срок

Вернуть товар можно в течение 14 дней. Деньги приходят на карту за 3 рабочих дня.
"""
WARRANTY = "# Warranty\n\nLaptops are repaired for free for one year.\n"


def handbook(folder: Path) -> Path:
    """Write the handbook into a folder."""
    docs = folder / "docs"
    docs.mkdir()
    (docs / "returns.md").write_text(RETURNS, "utf-8")
    (docs / "warranty.md").write_text(WARRANTY, "utf-8")
    return docs


async def known(
    stage: Stage, docs: Path, *answers: str, level: str = "extract", audience: Sequence[str] = ("everyone",),
    **settings: object,
) -> Bot:  # fmt: skip
    """Start a bot whose owner is Anna, with the handbook as its source, and a model that gives these answers."""
    model = ScriptedModel(*answers)
    stage.given = {"routing": model.routing}
    bot = await stage.start(**{"knowledge": level, "embeddings": "off", "owners": [ANNA], **settings})
    base = kept(bot, docs)
    await base.sync(await base.add(KnowledgeSource("docs", "", str(docs), audience=tuple(audience))))
    await base.files.close()
    return bot


def kept(bot: Bot, docs: Path) -> KnowledgeBase:
    """The knowledge base of a bot, to change it from outside."""
    store, id_ = bot.store, bot.telegram.api.id
    return KnowledgeBase(store=store, bot=id_, files=ChildPool(), meter=Meter(store=store), cache=docs.parent)
