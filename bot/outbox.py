"""How a turn ends. Begin with `finish_turn`: it puts the answers into the outbox and marks the updates as done.

A command or a press is one transaction: its work changes rows and calls `finish_turn`, so that what the bot says and
what it has changed are committed together. `finish` runs that transaction and delivers after it. A crash before the
commit leaves the updates open, so that the turn is done again; one after it leaves the answers in the outbox, from
where they are delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import NOT_READ, Address, Button, Incoming, Outgoing

T = TypeVar("T")
Effect = Callable[[Tx], object]
SOON = 120.0  # seconds in which a plain text answers a question for words; after them only a reply does
ALONE = "alone"  # a group's choice for notices: only the user who asked sees them


class Writer(Protocol):
    """A `Store` or `MemberDirectory`, which run functions in transactions."""

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run a function in a transaction and return its result after the commit."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A button to be put below an answer. The handler of the `action` gets the `payload`.

    `queued`: a press waits in the queue of the conversation, as a message would.
    """

    label: str
    action: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    queued: bool = False
    dangerous: bool = False  # the messenger shows it in red


@dataclass(slots=True, init=False)
class Answer:
    """The turn ends with these answers; `choices` are the buttons below the first one, one or a row of them a line.

    `over`: the first one replaces the message whose button was pressed. `is_notice`: in a group that has chosen so,
    only the user of the turn sees it (`notice_of`). `toast` is shown for a moment, where the button has one.
    """

    answers: Sequence[Outgoing | str]
    choices: Sequence[Choice | Sequence[Choice]] = ()
    over: bool = False
    is_notice: bool = False
    toast: str = ""

    def __init__(
        self,
        *answers: Outgoing | str,
        choices: Sequence[Choice | Sequence[Choice]] = (),
        over: bool = False,
        is_notice: bool = False,
        toast: str = "",
    ) -> None:
        self.answers, self.choices, self.over = answers, choices, over
        self.is_notice, self.toast = is_notice, toast


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the settings panel: a text, and rows of buttons below it. `more` is sent after it; `back` adds the
    button to the overview; `toast` is shown for a moment, where the button has one.
    """

    text: str
    rows: Sequence[Sequence[Choice]] = ()
    more: Sequence[Outgoing | str] = ()
    back: bool = True
    toast: str = ""


@dataclass(slots=True, init=False)
class Ask:
    """The turn ends with a question that the user answers in words: the handler `awaited(action)` gets the `payload`.

    See `finish_asking`.
    """

    action: str
    text: str
    payload: Mapping[str, Any]

    def __init__(self, action: str, text: str, **payload: Any) -> None:
        self.action, self.text, self.payload = action, text, payload


Outcome = Answer | Page | Ask | Outgoing | str | None
"""How a turn ends; None: silently."""


def end_turn(tx: Tx, incoming: Incoming, outcome: Outcome) -> Incoming:
    """End a turn in this transaction. Returns it with the address that the answer goes to."""
    match outcome:
        case Page():
            _finish_page(tx, incoming, outcome)
        case Ask():
            finish_asking(tx, incoming, outcome.action, outcome.text, **outcome.payload)
        case Answer():
            if outcome.is_notice:
                incoming = notice_of(with_choices(tx, incoming))
            finish_turn(tx, incoming, *outcome.answers, choices=outcome.choices, over=outcome.over)
        case None:
            finish_turn(tx, incoming)
        case _:
            finish_turn(tx, incoming, outcome)
    return incoming


def finish_turn(
    tx: Tx,
    incoming: Incoming,
    *answers: Outgoing | str,
    choices: Sequence[Choice | Sequence[Choice]] = (),
    over: bool = False,
) -> None:
    """End the turn of `incoming` in this transaction: store its answers, mark its updates as done.

    A `str` is a plain text in the bot's own voice. `choices` become buttons below the first answer, one choice or one
    row of choices a line. `over`: the first answer replaces the message whose button was pressed, if that is known.
    The caller delivers after the commit, as `finish` does.
    """
    outgoing = [Outgoing(one, plain=True) if isinstance(one, str) else one for one in answers]
    if choices:
        rows = [(one,) if isinstance(one, Choice) else one for one in choices]
        buttons = tuple(tuple(_button(tx, incoming, choice) for choice in row) for row in rows)
        outgoing[0] = replace(outgoing[0], buttons=buttons)
    shown = tx.outbox.find_shown(incoming.address, incoming.message_id, but=incoming.id) if over else None
    if shown is not None:
        tx.outbox.claim_messages(incoming.id, incoming.address, shown.ids)
    for number, answer in enumerate(outgoing):
        if incoming.address.visible_to:
            answer = replace(answer, opens=incoming.opens)
        name = delivery_key(incoming.id, number)
        tx.outbox.add_answer(name, incoming.address, answer, marker=incoming.message_id)
    if incoming.user.id:
        tx.chats.mark_reachable(incoming.address)
    tx.inbox.mark_done(incoming.ids)


def _finish_page(tx: Tx, incoming: Incoming, page: Page) -> None:
    """End the turn with a page of the settings panel.

    A press on the panel changes the panel itself. A command opens a new panel; the old panel loses its buttons and
    says where the new one is.
    """
    where, of = incoming.address, f"panel-{incoming.user.id}"
    open_panel = tx.outbox.find_newest(where, of, but=incoming.id)
    if open_panel is not None and incoming.message_id not in open_panel.ids:
        moved = f"{incoming.id}.moved"
        tx.outbox.claim_messages(moved, where, open_panel.ids)
        tx.outbox.add_answer(moved, where, Outgoing(say(incoming.language, "panel.moved"), plain=True))
    rows = [*page.rows, [Choice(say(incoming.language, "panel.back"), "settings")]] if page.back else page.rows
    finish_turn(tx, incoming, Outgoing(page.text, plain=True, of=of), *page.more, choices=rows, over=True)


def finish_asking(tx: Tx, incoming: Incoming, action: str, text: str, **payload: Any) -> None:
    """End the turn with a question that the user answers in words, below it a button that cancels it.

    The handler `awaited` of the `action` (`feature.py`) gets the answer, and the `payload`. `answers_question` says
    which message is the answer; all others are ordinary messages. With
    `takes_questions=True` in the payload the answer may have a question mark.
    """
    end_question(tx, incoming)
    tx.buttons.await_answer(incoming.address, incoming.user.id, action, asked=incoming.id, **payload)
    question = Outgoing(text, plain=True, note=say(incoming.language, "ask.how"))
    cancel = Choice(say(incoming.language, "ask.cancel"), "ask.cancel", {"asked": incoming.id})
    finish_turn(tx, incoming, question, choices=[cancel])


def answers_question(tx: Tx, incoming: Incoming, waiting: ButtonPress) -> bool:
    """Whether a message answers the question that the bot waits with.

    The answer is a reply to the question, or within two minutes (`SOON`) a text of the user's own that replies to
    nothing and, unless the answer may be a question itself, asks nothing; `soon` in the payload are other seconds. A
    question that was not asked by `finish_asking`, such as a field of a template, takes any message.
    """
    if not waiting.payload.get("asked") or replies_to_question(tx, incoming, waiting):
        return True
    asks = "?" in incoming.text and not waiting.payload.get("takes_questions")
    is_plain = not (incoming.reply_to or incoming.parts or incoming.relayed or asks)
    sent = tx.clock.time() if incoming.since is None else incoming.since
    return is_plain and sent - waiting.at <= waiting.payload.get("soon", SOON)


def replies_to_question(tx: Tx, incoming: Incoming, waiting: ButtonPress) -> bool:
    """Whether a message is a reply to the question of `finish_asking` that the bot waits with."""
    asked = waiting.payload.get("asked", "")
    return bool(incoming.reply_to) and incoming.reply_to in tx.outbox.message_ids(incoming.address, asked)


def end_question(tx: Tx, incoming: Incoming, *, note: str = "", keeps_reply_button: bool = False) -> None:
    """Stop waiting for words of this user, and remove the buttons of the question from the chat.

    If the question has brought a reply keyboard, a message removes it, unless `keeps_reply_button`: `note`, or
    that the question is closed. It is one of its own, as nobody can edit it, and so nobody can find out after a crash
    whether it was sent: then it comes twice.
    """
    waiting = tx.buttons.find_awaited(incoming.address, incoming.user.id)
    tx.buttons.cancel_awaited(incoming.address, incoming.user.id)
    shown = tx.outbox.message_ids(incoming.address, waiting.payload.get("asked", "")) if waiting is not None else ()
    if shown and shown[0] != incoming.message_id:
        remove_buttons(tx, incoming, message=shown[0])
    if waiting is not None and waiting.payload.get("has_reply_button") and not keeps_reply_button:
        gone = Outgoing(note or say(incoming.language, "share.gone"), plain=True, reply_button=("none", ""))
        tx.outbox.add_answer(f"{incoming.id}.keyboard", incoming.address, gone)


async def finish(store: Writer, reply: Reply, work: Callable[[Tx], T]) -> T:
    """Run the one transaction of a command or press, which calls `finish_turn`; after its commit deliver the answers.

    Returns what `work` returns.
    """
    result = await store.write(work)
    await reply.finish()
    return result


async def finish_with(
    store: Store,
    incoming: Incoming,
    reply: Reply,
    *answers: Outgoing | str,
    choices: Sequence[Choice | Sequence[Choice]] = (),
) -> None:
    """End a turn that changes nothing else, with these answers or silently."""
    await finish(store, reply, lambda tx: finish_turn(tx, incoming, *answers, choices=choices))


async def finish_with_notice(
    store: Store,
    incoming: Incoming,
    reply: Reply,
    key: str,
    also: Callable[[Tx], None] = lambda _: None,
    /,
    **values: object,
) -> None:
    """End a turn with the text `key`, in the language of the chat; `also` is done in its transaction.

    The text is a notice: in a group that has chosen so, only the user of `incoming` sees it.
    """
    incoming = as_notice(await for_notice(store, incoming), reply)

    def work(tx: Tx) -> None:
        known = with_choices(tx, incoming)
        finish_turn(tx, known, say(known.language, key, **values))
        also(tx)

    await finish(store, reply, work)


async def for_notice(store: Store, incoming: Incoming) -> Incoming:
    """Return `incoming` with the choices of its chat (`incoming.chat`), read now if `as_notice` will need them."""
    if incoming.private or incoming.address.visible_to or incoming.chat is not NOT_READ:
        return incoming
    return await store.read(lambda tx: with_choices(tx, incoming))


def as_notice(incoming: Incoming, reply: Reply) -> Incoming:
    """Return `incoming` with the address that a notice goes to (`notice_of`), and let `reply` deliver there, too."""
    incoming = notice_of(replace(incoming, address=reply.address))
    if incoming.address != reply.address:
        reply.show_only_to(incoming.address.visible_to)
    return incoming


def notice_of(incoming: Incoming) -> Incoming:
    """Return `incoming` with the address of a notice: only the sender sees it, in a group that has chosen that."""
    in_group = not (incoming.private or incoming.address.visible_to)
    if in_group and incoming.user.id > 0 and incoming.chat.notices == ALONE:
        return replace(incoming, address=replace(incoming.address, visible_to=incoming.user.id))
    return incoming


def with_choices(tx: Tx, incoming: Incoming) -> Incoming:
    """Return `incoming` with the choices of its chat (`incoming.chat`), read now unless it has them."""
    if incoming.chat is not NOT_READ:
        return incoming
    return replace(incoming, chat=tx.chats.read_choices(incoming.address, incoming.user.id))


async def dead_letter(store: Store, incoming: Incoming, reason: str) -> None:
    """End a turn that can't be handled: its updates become dead letters, kept for the operator with the reason."""

    def work(tx: Tx) -> None:
        for row in incoming.ids:
            tx.inbox.dead_letter(row, reason)

    await store.write(work)


def remove_buttons(tx: Tx, incoming: Incoming, *, message: int = 0, only: str = "", note: str = "") -> None:
    """Remove the buttons of the message whose button was pressed, or of the message with the id `message`.

    `only` is the key of the one button to remove; without it all are removed. `note` is added below the text.
    """
    bare = f"{incoming.id}.bare{message or ''}"  # in one turn the buttons of two messages may go
    shown = tx.outbox.find_shown(incoming.address, message or incoming.message_id, but=bare)
    if shown is None or not shown.outgoing.buttons:
        return
    rows = [tuple(button for button in row if only not in ("", button.data)) for row in shown.outgoing.buttons]
    tx.outbox.claim_messages(bare, incoming.address, shown.ids)
    left = tuple(row for row in rows if row)
    tx.outbox.add_answer(
        bare, incoming.address, replace(shown.outgoing, buttons=left, note=note or shown.outgoing.note, of=shown.of)
    )


def end_buttons(tx: Tx, where: Address, key: str) -> None:
    """Have the buttons below the answer of a delivery removed, if it was shown: what they do is over."""
    ids = tx.outbox.message_ids(where, key)
    shown = tx.outbox.find_shown(where, ids[0]) if ids else None
    if shown is not None and shown.outgoing.buttons:
        tx.outbox.claim_messages(f"{key}.bare", where, shown.ids)
        tx.outbox.add_answer(f"{key}.bare", where, replace(shown.outgoing, buttons=(), of=shown.of))


def expire_buttons(tx: Tx, incoming: Incoming) -> None:
    """Make all buttons of the message whose button was pressed do nothing from now on, so that a second tap is late."""
    shown = tx.outbox.find_shown(incoming.address, incoming.message_id)
    for button in (button for row in shown.outgoing.buttons for button in row) if shown else ():
        tx.buttons.expire_button(button.data)


def delivery_key(turn: str, number: int = 0) -> str:
    """The key of the delivery of a turn's answer: the turn's id, with the number of every answer but the first."""
    return f"{turn}.{number}" if number else turn


def _button(tx: Tx, incoming: Incoming, choice: Choice) -> Button:
    add = tx.buttons.add_queued_button if choice.queued else tx.buttons.add_button
    button = add(incoming.address, incoming.id, incoming.user.id, choice.label, choice.action, **choice.payload)
    return replace(button, dangerous=True) if choice.dangerous else button


def public_fallback(tx: Tx, where: Address) -> Outgoing:
    """What a group is shown if the messenger can't send an answer that only `where.visible_to` sees."""
    language = tx.chats.read_choices(where).language or tx.chats.read_language(where.bot, where.visible_to)
    return Outgoing(say(language, "alone.cannot"), plain=True)
