"""Runs the functions of commands and presses, which may ask the person (`Reply.ask`). Begin with `Dialogues.run`.

A question ends the turn: the question, and what was answered before, are stored in one transaction with the end of the
turn (`tx.buttons.await_answer`). The answer is a turn of its own: the function is called again with the stored answers.
So a crash at any moment loses nothing and asks nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

from bot.dispatch.custom.answers import CustomAnswers
from bot.dispatch.custom.asking import Answers, Asked, Run
from bot.extension import OwnCommand
from bot.extension.commands import Answer
from bot.extension.mistakes import blaming, messages
from bot.handlers import ButtonHandler, Handlers
from bot.media.attachments import is_picture
from bot.outbox import (
    Choice,
    Effect,
    answers_question,
    end_question,
    finish,
    finish_turn,
    finish_with,
    remove_buttons,
    with_choices,
)
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import own, say
from bot.types import Attachment, Incoming, Outgoing

WAITING = "own.ask"
ReadDay = Callable[[str, float, str], date | None]  # of a text, now (Unix time), in a time zone
SOON = 900.0  # seconds in which a plain text answers; after them only a reply to the question does
SHARED = ("contact", "location")  # what a button of the reply keyboard can share
MOST_IN_ROW = 24  # characters of labels that stand beside each other


@dataclass(frozen=True, slots=True)
class Call:
    """Which function is run: that of the command `command`, or of the press `press` with its stored `arguments`.

    `text` is what the command was written with, `button` the key of the pressed button, `message` where it stood.
    """

    command: str = ""
    press: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    button: str = ""
    message: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogues:
    """Runs functions, and runs them again when a question of theirs is answered. `read_day` reads an answer such as
    "tomorrow".
    """

    store: Store
    answers: CustomAnswers
    commands: Mapping[str, OwnCommand] = field(default_factory=dict)
    read_day: ReadDay = lambda _text, _now, _zone: None

    def feature(self) -> Handlers:
        """The answers to questions: in words, and by buttons."""
        return Handlers(
            presses={"own.answer": ButtonHandler(self.press_answer)}, awaits={WAITING: self.receive}
        )  # fmt: skip

    async def run(self, incoming: Incoming, reply: Reply, call: Call) -> None:
        """Run a function for the first time, and end the turn with its answer or its question."""
        await self._run(incoming, reply, call, ())

    async def receive(self, incoming: Incoming, reply: Reply, waiting: ButtonPress) -> bool:
        """Take a text as the answer to a question. False: there is no such function any more."""
        answer = incoming.text
        if waiting.payload["takes"] == "date":  # "tomorrow" is read now, and not when the function is called again
            zone = (await self.store.read(lambda tx: with_choices(tx, incoming))).chat.zone
            day = self.read_day(answer, self.store.clock.time(), zone)
            answer = day.isoformat() if day is not None else answer
        return await self._answered(incoming, reply, waiting, answer)

    async def take(self, incoming: Incoming, reply: Reply) -> bool:
        """Take a contact, a place or a picture if a question waits for one. False: it is a message like any other."""
        sent = [part for part in incoming.parts if isinstance(part, Attachment) and not part.quoted]
        found = {kind: answer for one in sent if (kind := _kind(one)) and (answer := _answer(kind, one)) is not None}
        if not found:
            return False

        def look(tx: Tx) -> tuple[Incoming, ButtonPress | None]:
            known = with_choices(tx, incoming)
            waiting = tx.buttons.find_awaited(incoming.address, incoming.user.id)
            alone = replace(incoming, parts=(), text="")
            if waiting is None or waiting.name != WAITING:
                return known, None
            if not waiting.payload.get("has_reply_button") and not answers_question(tx, alone, waiting):
                return known, None
            tx.inbox.mark_begun(incoming.ids)
            return known, waiting

        incoming, waiting = await self.store.write(look)
        if waiting is None or waiting.payload["takes"] not in found:
            return False
        return await self._answered(incoming, reply, waiting, found[waiting.payload["takes"]])

    async def press_answer(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Take a pressed choice, or the wish to skip, as the answer to the question that the button stands below."""

        def look(tx: Tx) -> ButtonPress | None:
            tx.inbox.mark_begun(incoming.ids)
            return tx.buttons.find_awaited(incoming.address, incoming.user.id)

        waiting = await self.store.write(look)
        if waiting is None or waiting.payload.get("asked") != action.payload["asked"]:
            await finish_with(self.store, incoming, reply)  # the button of an earlier question
            return
        note = "✓ " + action.payload["shown"]
        await self._answered(
            incoming, reply, waiting, action.payload["value"], lambda tx: remove_buttons(tx, incoming, note=note)
        )  # fmt: skip

    async def _answered(
        self, incoming: Incoming, reply: Reply, waiting: ButtonPress, answer: Any, also: Effect | None = None
    ) -> bool:
        call, before = Call(**waiting.payload["call"]), tuple((key, one) for key, one in waiting.payload["answers"])
        if self._function(call) is None:
            return False
        await self._run(incoming, reply, call, (*before, (waiting.payload["key"], answer)), also)
        return True

    def _function(self, call: Call) -> Any:
        if call.command:
            command = self.commands.get(call.command)
            return None if command is None else command.run
        press = self.answers.presses.get(call.press)
        return None if press is None else press.run

    async def _run(
        self, incoming: Incoming, reply: Reply, call: Call, answers: Answers, also: Effect | None = None
    ) -> None:
        outcome = await self._call(incoming, reply, call, Run(answers, incoming.language, incoming.user.id))
        if isinstance(outcome, Asked):
            await finish(self.store, reply, lambda tx: self._ask(tx, incoming, call, outcome, also))
            return
        with blaming(self._function(call)):
            title = f"/{call.command}" if call.command else f"the press {call.press!r}"
            said = messages(outcome, incoming.language, f"{title} returned")

        def work(tx: Tx) -> None:
            if answers:
                end_question(tx, incoming, note=_noted(answers))
            if also is not None:
                also(tx)
            press = self.answers.presses.get(call.press)
            over = press is not None and press.replaces and not answers
            if press is not None and press.once:
                tx.buttons.expire_button(call.button)
                if not (over and said):
                    remove_buttons(tx, incoming, message=call.message, only=call.button)
            self.answers.store_end(tx, incoming, said, over=over)

        with blaming(self._function(call)):
            await finish(self.store, reply, work)

    async def _call(self, incoming: Incoming, reply: Reply, call: Call, run: Run) -> Answer | Asked:
        """What the function returned, what it streamed if it returned None, or what it asked."""
        incoming, given = replace(incoming, text=call.text, parts=()), run.reply(reply)
        try:
            if call.command:
                answer = await self.commands[call.command].run(incoming, given.as_reply)
            else:
                press = self.answers.presses[call.press]
                answer = await press.run(incoming, given.as_reply, **press.read(call.arguments))
        except Asked as asked:
            return asked
        return answer if answer is not None else given.written or None

    def _ask(self, tx: Tx, incoming: Incoming, call: Call, asked: Asked, also: Effect | None) -> None:
        """End the turn with a question, below it its buttons: choices, Skip, Cancel.

        Where there is something to share, a message before it brings a reply keyboard. It is a message of its own,
        since nobody can edit it or, after a crash, find out whether it was sent: then it may come twice.
        """
        where, language, prompt = incoming.address, incoming.language, asked.prompt
        has_reply_button = prompt.takes in SHARED and incoming.private and not (where.messenger or where.connection)
        before = tx.buttons.find_awaited(where, incoming.user.id)
        stands = (
            before is not None and before.payload.get("has_reply_button") and before.payload["takes"] == prompt.takes
        )
        end_question(tx, incoming, note=_noted(asked.answers), keeps_reply_button=has_reply_button)
        if also is not None:
            also(tx)
        tx.buttons.await_answer(
            where, incoming.user.id, WAITING, asked=incoming.id, soon=SOON, call=asdict(call), answers=asked.answers,
            key=prompt.key, takes=prompt.takes, has_reply_button=has_reply_button,
        )  # fmt: skip

        def answer(label: str, value: Any) -> Choice:
            payload = {"asked": incoming.id, "value": value, "shown": label}
            return Choice(label, "own.answer", payload, queued=True)

        choices = [answer(own(label, language), key) for key, (_, label) in prompt.choices.items()]
        beside = sum(len(one.label) for one in choices) <= MOST_IN_ROW
        rows = [choices] if beside and choices else [[one] for one in choices]
        last = [answer(say(language, "write.skip"), None)] if prompt.is_optional else []
        last.append(Choice(say(language, "ask.cancel"), "ask.cancel", {"asked": incoming.id}, queued=True))
        text = "\n\n".join(filter(None, (asked.problem, own(prompt.question, language))))
        note = "" if choices else say(language, "form.how")
        if has_reply_button and not stands:
            button = (prompt.takes, say(language, f"share.{prompt.takes}"))
            hint = Outgoing(say(language, f"share.how.{prompt.takes}"), plain=True, reply_button=button)
            tx.outbox.add_answer(f"{incoming.id}.hint", where, hint)
        finish_turn(tx, incoming, Outgoing(text, note=note), choices=[*rows, last])


def _noted(answers: Answers) -> str:
    """What tells that the newest answer has come: its number or place, if it was shared; "" if nothing was answered."""
    if not answers:
        return ""
    newest = answers[-1][1]
    if not isinstance(newest, dict) or "attachment" in newest:
        return "✓"
    return "✓ " + (newest.get("phone") or "{latitude:g}, {longitude:g}".format_map(newest))


def _kind(sent: Attachment) -> str:
    """What a question must take, to be answered by an attachment; "" for one that answers none."""
    if is_picture(sent):
        return "photo"
    return {"contact": "contact", "location": "location", "venue": "location"}.get(sent.kind, "")


def _answer(kind: str, sent: Attachment) -> Any:
    """An attachment as it is stored; None for one that says nothing."""
    return {"attachment": asdict(sent)} if kind == "photo" else dict(sent.details) or None
