"""The card of a case: the first message of it in the operators' topic, edited as the case changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from bot.desk.formatting import LONGEST, Piece, formatted, harmless, units
from bot.desk.policy.asked_already import asked_already
from bot.outbox import Choice
from bot.prompts.beside import for_people
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Tx
from bot.storage.tables.desk import BOT, CLOSED, HELD, NEWEST_EVENT, OPERATOR, SNOOZED, WAITING, Case
from bot.texts.catalog import say
from bot.types import Outgoing

SAID = 12  # newest messages of the conversation on the card
WHY = "why"  # the event: a model calls a person, and says why; or the question that had no answer
EXPLAINED = ("model", "failed", "no_quote", "limit")  # reasons of a call that have one
EDITED_LATE = "edited_late"  # the event: a customer has edited a message after an answer to it
OPERATORS = ".desk"  # how the turn of an operator's message ends
CALLED = "/human"  # the customer's message in a conversation that an operator begins
LONGEST_SAID = 600  # characters of each of them
MENU, MENUS = "desk.menu", ("canned", "snooze", "give")  # the action of the buttons that lead to further ones
BUTTONS = {
    BOT: ("take", "close"),
    WAITING: ("take", "draft", "give", "bot", "close"),
    HELD: ("draft", "canned", "snooze", "give", "bot", "close"),
    SNOOZED: ("take", "bot", "close"),
    CLOSED: (),
}


def choices(case: Case, language: str, *, drafts: bool) -> Sequence[Choice]:
    """The buttons of the card: what operators can do with the case now. `drafts`: a model writes some."""
    names = [name for name in BUTTONS[case.owner] if drafts or name != "draft"]
    return [
        Choice(say(language, f"desk.menu.{name}"), MENU, {"case": case.id, "menu": name})
        if name in MENUS
        else Choice(say(language, f"desk.{name}"), f"desk.{name}", {"case": case.id})
        for name in names
    ]


def card(tx: Tx, case: Case, language: str, *, team: str = "", said: Sequence[Remembered] = ()) -> Outgoing:
    """The card of a case in the operators' language; `team` is what its team is called, `said` are the newest messages
    before it.
    """
    state = state_of(tx, case, language)
    if case.rating:
        state += " · " + "★" * case.rating
    who = say(
        language, "desk.card.who", name=harmless(case.name)[0] or "?", id=case.user, language=case.language or "?"
    )
    if (count := tx.count(Case, address=case.address)) > 1:
        who += " · " + say(language, "desk.card.count", count=count)
    title = say(language, "desk.card", number=case.number, state=state) if case.number else state
    pieces = [Piece(title, "bold"), Piece(f"\n{who}")]
    if case.priority or case.tags or case.team:
        priority = say(language, f"desk.priority.{'high' if case.priority > 0 else 'low'}")
        known = (
            say(language, "desk.card.priority", value=priority) if case.priority else "",
            say(language, "desk.card.team", value=team) if team else "",
            " ".join(f"#{tag}" for tag in case.tags.split()),
        )
        pieces.append(Piece("\n" + " · ".join(filter(None, known))))
    if case.reason:
        reason = say(language, f"desk.reason.{case.reason}")
        why = tx.one(NEWEST_EVENT, case_id=case.id, what=WHY) if case.reason in EXPLAINED else None
        if why is not None:
            reason += f" ({harmless(why.detail)[0]})"
        pieces.append(Piece("\n" + say(language, "desk.card.why", reason=reason)))
    if again := _asked_already(tx, case, said, language):
        pieces.append(Piece(f"\n{again}"))
    if case.lines:
        pieces.append(Piece(f"\n{case.lines}"))
    if case.summary:
        pieces += [Piece("\n"), Piece(say(language, "desk.card.summary"), "bold"), Piece(f" {case.summary}")]
    if is_edited_late(tx, case):
        pieces.append(Piece("\n" + say(language, "desk.card.edited"), "bold"))
    head = sum(units(piece.text) for piece in pieces)
    if transcript := _transcript(case, said, language, LONGEST - head - 100):
        pieces += [Piece("\n\n" + say(language, "desk.card.said") + "\n"), Piece(transcript, "expandable_blockquote")]
    return formatted(pieces, of=card_of(case), keeps_place=True)


def _asked_already(tx: Tx, case: Case, said: Sequence[Remembered], language: str) -> str:
    """The line about an equal question of the last week, while nobody has answered the one that has led to the case."""
    asked = next((one for one in reversed(said) if one.message.role == "user" and one.words != CALLED), None)
    if asked is None or case.answered:
        return ""
    return asked_already(tx, case.address, asked.words, language, before=asked.id)


def is_edited_late(tx: Tx, case: Case) -> bool:
    """Whether the customer has edited a message after an answer to it, and nobody has answered since."""
    edited = tx.one(NEWEST_EVENT, case_id=case.id, what=EDITED_LATE)
    return edited is not None and edited.at > tx.relays.last_written(case.id, OPERATOR)


def card_of(case: Case) -> str:
    """What all versions of the card of one case have as `Outgoing.of`."""
    return f"case-{case.id}.{int(case.opened)}"


def _transcript(case: Case, said: Sequence[Remembered], language: str, most: int) -> str:
    """The newest messages that fit, oldest first."""
    lines, room = list[str](), most
    for message in reversed(said):
        speaker = "operator" if message.turn.endswith(OPERATORS) else "bot"
        customer = message.message.role == "user"
        name = harmless(case.name)[0] or "?" if customer else say(language, f"desk.card.{speaker}")
        words, _ = harmless(for_people(message.message).strip())
        line = f"{name}: {words[:LONGEST_SAID]}{'…' if len(words) > LONGEST_SAID else ''}"
        room -= units(line) + 1
        if room < 0:
            break
        lines.append(line)
    return "\n".join(reversed(lines))


def state_of(tx: Tx, case: Case, language: str) -> str:
    """Return who answers the customer of a case, or that it is closed."""
    name = tx.users.read_name(case.address.bot, case.holder) or str(case.holder) if case.holder else ""
    return say(language, f"desk.state.{case.owner}", name=name, time=_time(case.snoozed_until))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M UTC") if at else ""
