"""How a turn of a conversation ends: what was written becomes history, ledger, outbox and inbox in one transaction."""

from __future__ import annotations

from dataclasses import replace

from bot import branches
from bot.branches import Place
from bot.errors import ContextOverflow, ModelRefused
from bot.outbox import put
from bot.storage.messages import Remembered
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Button, Incoming, Outgoing, Text
from bot.written import Begun, Written

LATE = 3600.0  # seconds after which an answer begs pardon
Rows = tuple[tuple[Button, ...], ...]


def save(tx: Tx, incoming: Incoming, begun: Begun, written: Written) -> None:
    """Transaction 2. The caller delivers after its commit."""
    place = begun.place
    assert place is not None  # noqa: S101  only a question is answered
    _book(tx, incoming, written)
    if begun.pressed:
        tx.buttons.use_up(begun.pressed)
    if written.outdated and not written.text.strip() and not tx.deliveries.placed(incoming.id, incoming.address):
        put(tx, incoming)  # nobody has seen anything of it
        return
    text = written.words()
    if text:
        answer = _remember(tx, incoming, place, begun.prefix, written)
        rows = _keyboard(tx, incoming, begun, answer)
        if begun.gone:  # it is said below this answer, and only there
            tx.chats.drop(incoming.address, incoming.user.id, begun.gone)
        note = _note(tx, incoming, begun, written)
        outgoing = Outgoing(begun.prefix + text, buttons=rows, note=note, thought=written.thought)
    elif place.shown is not None:  # a version that did not come about: the one before stays
        note = say(begun.language, written.apology())
        outgoing = Outgoing(place.shown.text, note=note, buttons=_keyboard(tx, incoming, begun, place.shown))
    else:
        rows = _retry(tx, incoming, begun, place) if _failed(written) else ()
        outgoing = Outgoing(say(begun.language, written.apology()), plain=True, buttons=rows)
    put(tx, incoming, replace(outgoing, reply_to=_quoted(incoming)))


def _book(tx: Tx, incoming: Incoming, written: Written) -> None:
    for model, usage in written.usages:
        tx.usage.add(incoming.address, incoming.user.id, incoming.id, model, usage)
    for number, held in enumerate(written.held):
        tx.spending.settle(held, 0 if number else written.cost)


def _remember(tx: Tx, incoming: Incoming, place: Place, prefix: str, written: Written) -> Remembered:
    said = (Text(prefix + written.text),)
    if place.resumed is not None:
        answer = place.resumed.id
        tx.messages.extend(answer, said, written.ending())
    else:
        question = place.question
        answer = tx.messages.add(
            question.conversation, incoming.address, incoming.id, "assistant", said,
            parent=question.id, ending=written.ending(), user=incoming.user.id, model=written.offer.name,
        )  # fmt: skip
    if place.tip is not None:
        tx.messages.move(place.question.conversation, place.tip)
    found = tx.messages.get(answer)
    assert found is not None  # noqa: S101  it was written a line above
    return found


def _failed(written: Written) -> bool:
    return written.error is not None and not isinstance(written.error, ModelRefused | ContextOverflow)


def _keyboard(tx: Tx, incoming: Incoming, begun: Begun, answer: Remembered) -> Rows:
    return branches.keyboard(tx, incoming.address, incoming.id, incoming.user.id, begun.language, answer)


def _retry(tx: Tx, incoming: Incoming, begun: Begun, place: Place) -> Rows:
    """Below what did not work out: once more."""
    where, label = incoming.address, say(begun.language, "retry")
    question = place.question.id
    retry = tx.buttons.add(where, incoming.id, incoming.user.id, label, branches.RETRY, queued=True, question=question)
    return ((retry,),)


def _note(tx: Tx, incoming: Incoming, begun: Begun, written: Written) -> str:
    language = begun.language
    waited = tx.clock.time() - incoming.at.timestamp() if incoming.at else 0.0
    late = say(language, "late.note") if waited > LATE else ""
    gone = say(language, "gone.note", old=", ".join(begun.gone), new=written.offer.title) if begun.gone else ""
    return "; ".join(filter(None, (written.note(language), gone, late)))


def _quoted(incoming: Incoming) -> int:
    return incoming.quotes or (0 if incoming.private else incoming.message_id)
