"""A bot that knows a handbook, and a model that is scripted. Begin with `known`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot.billing.metering import Meter
from bot.concurrency.child_pool import ChildPool
from bot.knowledge.base import KnowledgeBase
from bot.runtime.bot import Bot
from bot.storage.tables.knowledge import KnowledgeSource
from tests.support.scripted_model import LaterModel, ScriptedModel
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows, soon

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
    later: LaterModel | None = None, **settings: object,
) -> Bot:  # fmt: skip
    """Start a bot whose owner is Anna, with the handbook as its source, and a model that gives these answers.

    `later` answers what is asked with /later.
    """
    model = ScriptedModel(*answers)
    stage.given = {"routing": model.routing}
    stage.given |= {"later": lambda _name: later} if later is not None else {}
    bot = await stage.start(**{"knowledge": level, "embeddings": "off", "owners": [ANNA], **settings})
    base = kept(bot, docs)
    await base.sync(await base.add(KnowledgeSource(name="docs", kind="", address=str(docs), audience=tuple(audience))))
    await base.files.close()
    return bot


def kept(bot: Bot, docs: Path) -> KnowledgeBase:
    """The knowledge base of a bot, to change it from outside."""
    store, id_ = bot.store, bot.telegram.api.id
    return KnowledgeBase(store=store, bot=id_, files=ChildPool(), meter=Meter(store=store), cache=docs.parent)


async def changed(stage: Stage, bot: Bot, docs: Path, old: str, new: str) -> None:
    """A sentence of the source is another one, and the bot has looked what that means."""
    for path in docs.glob("*.md"):
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    base = kept(bot, docs)
    await base.sync(await base.find("docs"))
    await base.files.close()
    await soon(stage, lambda: not rows(stage, "SELECT 1 FROM jobs WHERE kind = 'kb.stale'") or None)
