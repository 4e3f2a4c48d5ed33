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
from bot.feature import NOT_MINE, Feature, Question, Result, Turn, awaited, command, press
from bot.outbox import Answer, Choice, end_question
from bot.prompts.library import Library
from bot.prompts.schema import Blank, Template, said
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Button, Kind, Outgoing

NUMBERED = re.compile(r"\s*(\d{1,2})[.)]\s*(.*)", re.DOTALL)
EMPTY = ("-", "–", "—")  # what people write to leave a field empty
WAITING = "write"


@dataclass(slots=True, kw_only=True)
class Templates(Feature):
    """Lists the templates of the library, and asks for the fields of one."""

    store: Store
    assistant: Assistant
    library: Library

    @command("/write")
    def write(self, tx: Tx, turn: Turn) -> Result:
        """List the templates; `/write post` begins the template "post", with the words after it as its values."""
        first_line = turn.rest.partition(" ")[0]
        key, _, values = turn.rest.partition("\n" if "\n" in first_line else " ")
        if (template := self.library.template(key.lower())) is not None:
            found = together(template, values, turn.language) if values.strip() else None
            return _fill(tx, turn, template, found or {})
        templates = self.library.templates()
        if not templates:
            raise BadInput(turn.say("write.none"))
        rows = [
            f"• {row.name(turn.language)}: {said(row.description, turn.language, '')}" for row in templates.values()
        ]
        choices = [Choice(row.name(turn.language), "write.start", {"template": key}) for key, row in templates.items()]
        if turn.private:
            choices.append(Choice(turn.say("settings.templates"), "template.list"))
        return Answer("\n".join((turn.say("write.choose"), "", *rows)), choices=choices)

    @press("write.start")
    def start(self, tx: Tx, turn: Turn, template: str) -> Result:
        """Begin a template. Raises `BadInput` if there is no such template any more."""
        found = self.library.template(template)
        if found is None:
            raise BadInput(turn.say("write.gone"))
        return _fill(tx, turn, found, {})

    @awaited(WAITING)
    def receive_value(self, tx: Tx, turn: Turn, template: str, values: dict[str, str]) -> Result:
        """Take the user's message as the value of one field, or of all, if one is missing."""
        found = self.library.template(template)
        blank = _next(found, values) if found is not None else None
        if found is None or blank is None:
            return NOT_MINE
        filled = None if values else together(found, turn.text, turn.language)
        return _fill(tx, turn, found, filled or {**values, blank.name: turn.text})

    @press("write.skip")
    def skip(self, tx: Tx, turn: Turn, template: str, field: str) -> Result:
        """Leave an optional field empty and go on."""
        waiting, found = tx.buttons.find_awaited(turn.address, turn.user.id), self.library.template(template)
        if waiting is None or waiting.name != WAITING or found is None:
            return None
        values = waiting.payload["values"]
        blank = _next(found, values)
        if blank is None or blank.name != field or not blank.optional:
            return None  # the button of an earlier field
        return _fill(tx, turn, found, {**values, field: ""})

    @press("write.cancel")
    def cancel(self, tx: Tx, turn: Turn) -> Answer:
        """Stop filling in the template."""
        tx.buttons.cancel_awaited(turn.address, turn.user.id)
        return Answer(turn.say("write.cancelled"), over=True)


def _fill(tx: Tx, turn: Turn, template: Template, values: Mapping[str, str]) -> Result:
    """Ask for the next missing field; with all fields filled in, ask the model."""
    blank = _next(template, values)
    if blank is not None:
        return _ask(tx, turn, template, values, blank)
    text = template.filled(values, turn.language)
    return Question(replace(turn, kind=Kind.MESSAGE, text=text, message_id=0, is_task=True))


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


def _ask(tx: Tx, turn: Turn, template: Template, values: Mapping[str, str], blank: Blank) -> Outgoing:
    fields = template.fields
    end_question(tx, turn)
    tx.buttons.await_answer(turn.address, turn.user.id, WAITING, template=template.key, values=dict(values))

    def button(name: str) -> Button:
        add = tx.buttons.add_queued_button if name == "write.skip" else tx.buttons.add_button
        payload = {"template": template.key, "field": blank.name}
        return add(turn.address, turn.id, turn.user.id, turn.say(name), name, **payload)

    row = tuple(button(name) for name in (("write.skip", "write.cancel") if blank.optional else ("write.cancel",)))
    text = f"{fields.index(blank) + 1}/{len(fields)}. {said(blank.label, turn.language, blank.name)}"
    if not values and len(fields) > 1:
        text = _overview(template, turn.language) + "\n\n" + text
    if not turn.private:
        text += "\n" + turn.say("write.reply")
    return Outgoing(text, plain=True, buttons=(row,))


def _overview(template: Template, language: str) -> str:
    def line(number: int, blank: Blank) -> str:
        may_miss = f" ({say(language, 'write.optional')})" if blank.optional else ""
        return f"{number}. {said(blank.label, language, blank.name)}{may_miss}"

    rows = [line(number, blank) for number, blank in enumerate(template.fields, 1)]
    return "\n".join((say(language, "write.begin", title=template.name(language)), *rows))
