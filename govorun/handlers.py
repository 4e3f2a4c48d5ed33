"""Features of your own, made as those of Govorun are: a class whose decorated methods are the handlers.

from govorun.handlers import Answer, Choice, Feature, Store, Turn, Tx, command, press
"""

from govorun import load

load()

from bot.conversation.assistant import Assistant  # noqa: E402
from bot.feature import (  # noqa: E402
    ENDED,
    NOT_MINE,
    Again,
    Feature,
    Question,
    Result,
    Turn,
    awaited,
    command,
    job,
    kind,
    press,
    section,
)
from bot.outbox import Answer, Ask, Choice, Page  # noqa: E402
from bot.ports import Transport  # noqa: E402
from bot.storage.rows import AddressCol, Col, Query, Row, address_columns, column  # noqa: E402
from bot.storage.schema import Id  # noqa: E402
from bot.storage.store import Store, Tx  # noqa: E402

__all__ = [
    "ENDED",
    "NOT_MINE",
    "AddressCol",
    "Again",
    "Answer",
    "Ask",
    "Assistant",
    "Choice",
    "Col",
    "Feature",
    "Id",
    "Page",
    "Query",
    "Question",
    "Result",
    "Row",
    "Store",
    "Transport",
    "Turn",
    "Tx",
    "address_columns",
    "awaited",
    "column",
    "command",
    "job",
    "kind",
    "press",
    "section",
]
