"""The command /write: the user fills in the fields of a template, and the filled template is asked like a question.

Begin with `Templates.write`. The values so far are stored with the awaited answer (`tx.buttons.await_answer`), so they
survive a restart. `together` parses a message that fills in all fields at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.conversation.assistant import Assistant
from bot.errors import BadInput
from bot.feature import ButtonHandler, Command, Handlers
from bot.outbox import Choice, end_question, finish, finish_turn, finish_with
from bot.ports import Reply
from bot.prompts.library import Library
from bot.prompts.schema import Blank, Template, said
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Button, Incoming, Kind, Outgoing

NUMBERED = re.compile(r"\s*(\d{1,2})[.)]\s*(.*)", re.DOTALL)
EMPTY = ("-", "–", "—")  # what people write to leave a field empty
WAITING = "write"


@dataclass(slots=True, kw_only=True)
class Templates:
    """Lists the templates of the library, and asks for the fields of one."""

    store: Store
    assistant: Assistant
    library: Library

    def feature(self) -> Handlers:
        """The command /write, its buttons, and the awaited value of a field."""
        return Handlers(
            commands={"/write": Command(self.write)},
            presses={
                "write.start": ButtonHandler(self.press_start),
                "write.skip": ButtonHandler(self.press_skip),
                "write.cancel": ButtonHandler(self.press_cancel),
            },
            awaits={WAITING: self.receive_value},
        )

    async def write(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """List the templates; `/write post` begins the template "post", with the words after it as its values."""
        key, _, values = rest.partition(" ") if "\n" not in rest.partition(" ")[0] else rest.partition("\n")
        language = incoming.language
        if (template := self.library.template(key.lower())) is not None:
            found = together(template, values, language) if values.strip() else None
            await self._go_on(incoming, reply, template, found or {})
            return
        templates = self.library.templates()
        if not templates:
            raise BadInput(say(language, "write.none"))
        rows = [f"• {row.name(language)}: {said(row.description, language, '')}" for row in templates.values()]
        choices = [Choice(row.name(language), "write.start", {"template": key}) for key, row in templates.items()]
        if incoming.private:
            choices.append(Choice(say(language, "settings.templates"), "template.list"))
        text = "\n".join((say(language, "write.choose"), "", *rows))
        await finish_with(self.store, incoming, reply, text, choices=choices)

    async def press_start(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Begin a template. Raises `BadInput` if there is no such template any more."""
        template = self.library.template(action.payload["template"])
        if template is None:
            raise BadInput(say(incoming.language, "write.gone"))
        await self._go_on(incoming, reply, template, {})

    async def receive_value(self, incoming: Incoming, reply: Reply, waiting: ButtonPress) -> bool:
        """Take the user's message as the value of one field, or of all. False if no field is missing."""
        template = self.library.template(waiting.payload["template"])
        values: dict[str, str] = dict(waiting.payload["values"])
        blank = _next(template, values) if template is not None else None
        if template is None or blank is None:
            return False
        found = None if values else together(template, incoming.text, incoming.language)
        await self._go_on(incoming, reply, template, found or {**values, blank.name: incoming.text})
        return True

    async def press_skip(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Leave an optional field empty and go on."""
        waiting = await self.store.read(lambda tx: tx.buttons.find_awaited(incoming.address, incoming.user.id))
        key, name = action.payload["template"], action.payload["field"]
        template = self.library.template(key)
        values = dict(waiting.payload["values"]) if waiting is not None and waiting.name == WAITING else None
        blank = _next(template, values) if template is not None and values is not None else None
        if template is None or values is None or blank is None or blank.name != name or not blank.optional:
            await finish_with(self.store, incoming, reply)  # the button of an earlier field
        else:
            await self._go_on(incoming, reply, template, {**values, name: ""})

    async def press_cancel(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """Stop filling in the template."""

        def work(tx: Tx) -> None:
            tx.buttons.cancel_awaited(incoming.address, incoming.user.id)
            finish_turn(tx, incoming, say(incoming.language, "write.cancelled"), over=True)

        await finish(self.store, reply, work)

    async def _go_on(self, incoming: Incoming, reply: Reply, template: Template, values: Mapping[str, str]) -> None:
        """Ask for the next missing field; with all fields filled in, ask the model."""
        blank = _next(template, values)
        if blank is not None:
            await finish(self.store, reply, lambda tx: _ask(tx, incoming, template, values, blank))
            return
        text = template.filled(values, incoming.language)
        asked = replace(incoming, kind=Kind.MESSAGE, text=text, message_id=0, is_task=True)
        await self.assistant.answer(asked, reply, last=True)


def together(template: Template, text: str, language: str) -> dict[str, str] | None:
    """The values of the fields in one message.

    The lines begin with the number or the name of a field, or there is one line for each field. None if the message is
    only the value of the first field.
    """
    named = _named(template, text, language)
    needed = [blank for blank in template.fields if not blank.optional]
    if len(named) > 1 or (named and len(needed) == 1 and needed[0].name in named):
        return {**{blank.name: "" for blank in template.fields if blank.optional}, **named}
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) != len(template.fields) or len(lines) < 2:
        return None
    rows = zip(template.fields, lines, strict=True)
    return {blank.name: "" if line in EMPTY and blank.optional else line for blank, line in rows}


def _named(template: Template, text: str, language: str) -> dict[str, str]:
    names = {blank.name.casefold(): blank.name for blank in template.fields}
    names |= {
        said(blank.label, language, blank.name).rstrip("?:. ").casefold(): blank.name for blank in template.fields
    }
    found: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        head, colon, tail = line.partition(":")
        numbered = NUMBERED.fullmatch(line)
        if numbered and 0 < int(numbered[1]) <= len(template.fields):
            last, value = template.fields[int(numbered[1]) - 1].name, numbered[2]
        elif colon and head.strip().rstrip("? ").casefold() in names:
            last, value = names[head.strip().rstrip("? ").casefold()], tail
        elif last:
            value = f"{found[last]}\n{line}"
        else:
            continue
        found[last] = value.strip()
    return {name: value for name, value in found.items() if value}


def _next(template: Template, values: Mapping[str, str]) -> Blank | None:
    """The first field without a value, None if all have one."""
    return next((blank for blank in template.fields if blank.name not in values), None)


def _ask(tx: Tx, incoming: Incoming, template: Template, values: Mapping[str, str], blank: Blank) -> None:
    language, where, user, fields = incoming.language, incoming.address, incoming.user.id, template.fields
    end_question(tx, incoming)
    tx.buttons.await_answer(where, user, WAITING, template=template.key, values=dict(values))

    def button(name: str) -> Button:
        add = tx.buttons.add_queued_button if name == "write.skip" else tx.buttons.add_button
        return add(where, incoming.id, user, say(language, name), name, template=template.key, field=blank.name)

    row = tuple(button(name) for name in (("write.skip", "write.cancel") if blank.optional else ("write.cancel",)))
    label = said(blank.label, language, blank.name)
    text = f"{fields.index(blank) + 1}/{len(fields)}. {label}"
    if not values and len(fields) > 1:
        text = _overview(template, language) + "\n\n" + text
    if not incoming.private:
        text += "\n" + say(language, "write.reply")
    finish_turn(tx, incoming, Outgoing(text, plain=True, buttons=(row,)))


def _overview(template: Template, language: str) -> str:
    def line(number: int, blank: Blank) -> str:
        may_miss = f" ({say(language, 'write.optional')})" if blank.optional else ""
        return f"{number}. {said(blank.label, language, blank.name)}{may_miss}"

    rows = [line(number, blank) for number, blank in enumerate(template.fields, 1)]
    return "\n".join((say(language, "write.begin", title=template.name(language)), *rows))
