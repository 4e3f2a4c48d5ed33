"""How a turn ends: in one transaction its answers are in the outbox, its effects stored and its updates done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.ports import Reply
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, Outgoing

Effect = Callable[[Tx], object]
ALONE = "alone"  # what a group may choose for notices


async def settle(
    store: Store, incoming: Incoming, reply: Reply, *answers: Outgoing, also: Effect | None = None
) -> None:
    """Commit the end of a turn, then deliver.

    A crash before the commit leaves the updates open, so that the turn is done again; one after it leaves the answers
    in the outbox, from where they are delivered. `also` may add what the answers depend on.
    """

    def work(tx: Tx) -> None:
        if also is not None:
            also(tx)
        put(tx, incoming, *answers)

    await store.write(work)
    await reply.finish()


async def aside(store: Store, incoming: Incoming, reply: Reply) -> Incoming:
    """The same, where its answer is a notice: in a group that wants it so, only who asked sees it."""
    if not (incoming.private or reply.address.only) and incoming.user.id > 0:
        chosen = await store.read(lambda tx: tx.chats.choices(incoming.address))
        if chosen.notices == ALONE:
            reply.aside(incoming.user.id)
    return replace(incoming, address=reply.address)


async def tell(store: Store, incoming: Incoming, reply: Reply, sentence: str, /, **values: object) -> None:
    """End a turn with a notice: a sentence of the bot's own, by its key, in the language of the chat."""
    incoming = await aside(store, incoming, reply)

    def work(tx: Tx) -> None:
        language = tx.chats.choices(incoming.address).language_for(incoming.user)
        put(tx, incoming, Outgoing(say(language, sentence, **values), plain=True))

    await store.write(work)
    await reply.finish()


async def offer(
    store: Store,
    incoming: Incoming,
    reply: Reply,
    text: str,
    options: Sequence[tuple[str, str, Mapping[str, Any]]],
    *,
    also: Effect | None = None,
) -> None:
    """End a turn with a text and buttons below each other: label, action and what the action is told."""

    def work(tx: Tx) -> None:
        if also is not None:
            also(tx)
        where, user = incoming.address, incoming.user.id
        rows = tuple((tx.buttons.add(where, incoming.id, user, label, act, **kept),) for label, act, kept in options)
        put(tx, incoming, Outgoing(text, plain=True, buttons=rows))

    await store.write(work)
    await reply.finish()


async def set_aside(store: Store, incoming: Incoming, reason: str) -> None:
    """End a turn that can't be worked on, without a word: its updates are kept for the operator."""

    def work(tx: Tx) -> None:
        for row in incoming.ids:
            tx.updates.bury(row, reason)

    await store.write(work)


async def language(store: Store, incoming: Incoming) -> str:
    """The language that was chosen in the chat, or the user's own."""
    return (await store.read(lambda tx: tx.chats.choices(incoming.address))).language_for(incoming.user)


def put(tx: Tx, incoming: Incoming, *answers: Outgoing) -> None:
    """The same inside a transaction that is already open. The caller delivers after its commit."""
    if incoming.address.only:
        answers = tuple(replace(one, opens=incoming.opens) for one in answers)
    for number, answer in enumerate(answers):
        tx.deliveries.add(key(incoming.id, number), incoming.address, answer, marker=incoming.message_id)
    if incoming.user.id:
        tx.chats.back(incoming.address)
    tx.updates.done(incoming.ids)


def put_over(tx: Tx, incoming: Incoming, answer: Outgoing) -> None:
    """The same over the message in which the button was pressed; where that is not known, as a new one."""
    shown = tx.deliveries.shown(incoming.address, incoming.message_id, but=incoming.id)
    if shown is not None:
        tx.deliveries.over(incoming.id, incoming.address, shown.ids)
    put(tx, incoming, answer)


def put_bare(tx: Tx, incoming: Incoming, *, message: int = 0, only: str = "") -> None:
    """What stands in the message in which the button was pressed stays there, without its buttons: it is decided.

    `message`: another one than that. `only`: without the button of this key, the others stay.
    """
    bare = f"{incoming.id}.bare"
    shown = tx.deliveries.shown(incoming.address, message or incoming.message_id, but=bare)
    if shown is None or not shown.outgoing.buttons:
        return
    rows = [tuple(button for button in row if only not in ("", button.data)) for row in shown.outgoing.buttons]
    tx.deliveries.over(bare, incoming.address, shown.ids)
    left = tuple(row for row in rows if row)
    tx.deliveries.add(bare, incoming.address, replace(shown.outgoing, buttons=left, of=shown.of))


def key(turn: str, number: int = 0) -> str:
    """The name of a turn's answer in the outbox; the first carries the turn's own."""
    return f"{turn}.{number}" if number else turn


def public_fallback(tx: Tx, where: Address) -> Outgoing:
    """What a group is shown instead of an answer for `where.only`, where messages for one user can't be sent."""
    language = tx.chats.choices(where).language or tx.chats.language(where.bot, where.only)
    return Outgoing(say(language, "alone.cannot"), plain=True)
