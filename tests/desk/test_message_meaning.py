"""What a message in a customer's topic means: only its holder speaks to the customer, all else stays as a note."""

from __future__ import annotations

from dataclasses import replace

from bot.desk.team.message_meaning import Heard, Intent, intent_of
from bot.storage.tables.desk import BOT, CLOSED, CUSTOMER, HELD, NOTE, OPERATOR, SNOOZED, WAITING, Case, Relay
from bot.types import Address, Incoming, User
from tests.support.table import table

OLGA, OLEG = 7, 8
WHERE = Address("telegram", 1, -100, 5)


def heard(
    text: str, owner: str = HELD, holder: int = OLGA, *, replied: tuple[str, int] | None = None, operator: bool = True
) -> Heard:
    case = Case(id=1, address=Address("telegram", 1, 2), user=2, name="", language="", owner=owner, holder=holder)
    relay = (
        Relay(bot=1, case_id=1, side=replied[0], chat=-100, message=9, delivery="k", author=replied[1], at=0.0)
        if replied
        else None
    )
    return Heard(Incoming("1", WHERE, User(OLGA), text=text), case, operator, relay)


def naming(text: str) -> Heard:
    """A text that mentions a member who has no @name."""
    said = heard(text)
    mention = {"type": "text_mention", "offset": 0, "length": 4, "user": {"id": OLEG}}
    return replace(said, incoming=replace(said.incoming, entities=(mention,)))


@table(
    ("said", "intent"),
    [
        (heard("hello"), Intent.ANSWER),
        (heard("hello", replied=(CUSTOMER, 2)), Intent.ANSWER),
        (heard("hello", replied=(OPERATOR, OLGA)), Intent.ANSWER),
        (heard("hello", replied=(OPERATOR, OLEG)), Intent.NOTE),
        (heard("hello", replied=(NOTE, OLGA)), Intent.NOTE),
        (heard("// hello"), Intent.NOTE),
        (heard("//hello"), Intent.NOTE),
        (heard("／／ hello"), Intent.NOTE),
        (heard("∕∕ hello"), Intent.NOTE),
        (heard("⁄⁄ hello"), Intent.NOTE),
        (heard("⧸⧸hello"), Intent.NOTE),
        (heard("╱⟋ hello"), Intent.NOTE),
        (heard("⫽ hello"), Intent.NOTE),
        (heard("/／ hello"), Intent.NOTE),
        (heard("\u200b// hello"), Intent.NOTE),
        (heard("\ufeff\u2060 \u00a0\u3164// hello"), Intent.NOTE),
        (heard("/\u200d/ hello"), Intent.NOTE),
        (heard("\u202e// hello"), Intent.NOTE),
        (heard("／note hello"), Intent.NOTE),
        (heard("\u200b/ｎｏｔｅ hello"), Intent.NOTE),
        (heard("\u200b／take"), Intent.WORD),
        (heard("＠oleg look"), Intent.NOTE),
        (heard("\u2063@oleg look"), Intent.NOTE),
        (heard("1/2 of it"), Intent.ANSWER),
        (heard("\u200bhello"), Intent.ANSWER),
        (heard("/note hello"), Intent.NOTE),
        (heard("/NOTE@bot hello"), Intent.NOTE),
        (heard("@oleg what do you think?"), Intent.NOTE),
        (naming("Oleg, what do you think?"), Intent.NOTE),
        (heard("/take"), Intent.WORD),
        (heard("/nonsense"), Intent.WORD),
        (heard("hello", holder=OLEG), Intent.OTHERS),
        (heard("hello", holder=OLEG, replied=(CUSTOMER, 2)), Intent.OTHERS),
        (heard("// hello", holder=OLEG), Intent.NOTE),
        (heard("hello", WAITING, 0), Intent.OFFER),
        (heard("hello", SNOOZED, OLEG), Intent.OFFER),
        (heard("hello", BOT, 0), Intent.OFFER),
        (heard("hello", CLOSED, 0), Intent.OFFER),
        (heard("hello", WAITING, 0, replied=(CUSTOMER, 2)), Intent.TAKE),
        (heard("hello", operator=False), Intent.FOREIGN),
        (heard("/take", operator=False), Intent.FOREIGN),
        (replace(heard("hello"), case=None), Intent.NOBODY),
    ],
)
def test_what_a_message_in_a_topic_means(said: Heard, intent: Intent) -> None:
    assert intent_of(said) is intent
