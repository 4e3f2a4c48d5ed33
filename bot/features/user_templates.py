"""The command /template: users keep questions under names and ask them again with one tap. In private chats only.

Begin with `UserTemplates.template`. A word in braces, such as {topic}, is asked for each time. The templates of the
operator, with fields and descriptions, are in `features/templates.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.conversation import branching
from bot.conversation.assistant import Assistant
from bot.errors import BadInput
from bot.feature import ButtonHandler, Command, Feature, Section
from bot.outbox import (
    Choice,
    Page,
    end_question,
    finish,
    finish_asking,
    finish_page,
    finish_turn,
    finish_with_notice,
)
from bot.ports import Reply
from bot.prompts.schema import PLACE
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.prompts import SavedTemplate
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Kind

MOST = 30  # templates of a user
LONGEST_NAME = 40  # characters
LONGEST_TEXT = 4_000  # characters: one message shows it with its name
WORDS = ("/template", "/templates", "/шаблон", "/шаблоны")  # people type the command in their own language


@dataclass(slots=True, kw_only=True)
class UserTemplates:
    """Stores the templates of users, and asks their questions."""

    store: Store
    assistant: Assistant

    def feature(self) -> Feature:
        """The command, its buttons, the awaited words, and the section of the settings panel."""
        return Feature(
            commands={word: Command(self.template) for word in WORDS},
            presses={
                "template.list": ButtonHandler(self.press_list),
                "template.show": ButtonHandler(self.press_show),
                "template.use": ButtonHandler(self.press_use),
                "template.new": ButtonHandler(self.press_new),
                "template.rename": ButtonHandler(self.press_rename),
                "template.name": ButtonHandler(self.press_name),
                "template.delete": ButtonHandler(self.press_delete),
                "template.restore": ButtonHandler(self.press_restore),
            },
            awaits={
                "template.new": self.receive_text,
                "template.rename": self.receive_name,
                "template.fill": self.receive_value,
            },
            sections={"templates": Section(page=_list_page, offered=lambda incoming: incoming.private)},
        )

    # --- what is there ------------------------------------------------------------------------------------------------

    async def template(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """Handle the command /template, which lists templates, asks one, or makes one.

        Without words it lists the templates of the user. `/template NAME` asks the question of the template of that
        name; if there is none, it makes one. Words with braces, and text below the first line, are not a name but the
        question of a new template. As a reply to a question or to its answer, the command keeps that question as a
        template, under a name made from its words if none is given.
        """
        name, text = _tidy(rest), ""
        if not incoming.reply_to:
            name, text = _split(rest.strip())
        if not incoming.private:
            await finish_with_notice(self.store, incoming, reply, "own.private")
            return
        if name and not text and not incoming.reply_to:
            found = await self.store.read(lambda tx: _by_name(_templates(tx, incoming), name))
            if found is not None:
                await self._go_on(incoming, reply, found, {})
                return

        def work(tx: Tx) -> None:
            if incoming.reply_to:
                kept = _keep(tx, incoming, name, _question(tx, incoming))
                finish_page(tx, incoming, _page(incoming, kept))
            elif text:
                finish_page(tx, incoming, _page(incoming, _keep(tx, incoming, name, text)))
            elif name:
                _ask_text(tx, incoming, name)
            else:
                finish_page(tx, incoming, _list_page(tx, incoming))

        await finish(self.store, reply, work)

    async def press_list(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """Show the list in the message of the button."""
        await finish(self.store, reply, lambda tx: finish_page(tx, incoming, _list_page(tx, incoming)))

    async def press_show(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show one template, with buttons that ask, rename and delete it."""
        await finish(
            self.store, reply, lambda tx: finish_page(tx, incoming, _page(incoming, _found(tx, incoming, action)))
        )

    # --- its question -------------------------------------------------------------------------------------------------

    async def press_use(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Ask the question of a template, after asking the user for the words in braces."""
        found = await self.store.read(lambda tx: _found(tx, incoming, action))
        await self._go_on(incoming, reply, found, {})

    async def receive_value(self, incoming: Incoming, reply: Reply, waiting: ButtonPress) -> bool:
        """Take the message as the words for the next place in braces. Returns False if the template was deleted
        meanwhile: then it is an ordinary message.
        """
        templates = await self.store.read(lambda tx: _templates(tx, incoming))
        found = next((one for one in templates if one.id == waiting.payload["template"]), None)
        values = dict(waiting.payload["values"])
        place = _next_place(found, values) if found is not None else None
        if found is None or place is None:
            return False
        await self._go_on(incoming, reply, found, {**values, place: incoming.text})
        return True

    async def _go_on(self, incoming: Incoming, reply: Reply, one: SavedTemplate, values: Mapping[str, str]) -> None:
        """Ask the user for the next words; with all of them, ask the model."""
        place = _next_place(one, values)
        if place is not None:
            text = say(incoming.language, "template.fill", name=one.name, place=place)
            payload = {"template": one.id, "values": dict(values), "takes_questions": True}
            await finish(self.store, reply, lambda tx: finish_asking(tx, incoming, "template.fill", text, **payload))
            return
        text = PLACE.sub(lambda found: values[found[1]].strip(), one.text)
        asked = replace(incoming, kind=Kind.MESSAGE, text=text, message_id=0, is_task=True)
        await self.assistant.answer(asked, reply, last=True)

    # --- what changes it ----------------------------------------------------------------------------------------------

    async def press_new(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """Ask the user for the text of a new template."""
        await finish(self.store, reply, lambda tx: _ask_text(tx, incoming, ""))

    async def receive_text(self, incoming: Incoming, reply: Reply, waiting: ButtonPress) -> bool:
        """Keep the message as a new template, and show it. Returns True: the message is not answered as a question."""

        def work(tx: Tx) -> None:
            end_question(tx, incoming)
            kept = _keep(tx, incoming, waiting.payload["name"], incoming.text.strip())
            finish_page(tx, incoming, _page(incoming, kept))

        await finish(self.store, reply, work)
        return True

    async def press_rename(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Ask the user for the new name of a template."""

        def work(tx: Tx) -> None:
            found = _found(tx, incoming, action)
            text = say(incoming.language, "template.rename.ask", name=found.name)
            finish_asking(tx, incoming, "template.rename", text, template=found.id)

        await finish(self.store, reply, work)

    async def receive_name(self, incoming: Incoming, reply: Reply, waiting: ButtonPress) -> bool:
        """Take the message as the new name of a template, with a button that takes it back. Returns True: the message
        is not answered as a question.
        """
        language, name = incoming.language, _tidy(incoming.text)

        def work(tx: Tx) -> None:
            end_question(tx, incoming)
            found = _found(tx, incoming, waiting)
            other = _by_name(_templates(tx, incoming), name)
            if not name or other not in (None, found):
                raise BadInput(say(language, "template.taken", name=name))
            tx.templates.rename_template(incoming.address.bot, incoming.user.id, found.id, name)
            undo = Choice(say(language, "ask.undo"), "template.name", {"template": found.id, "name": found.name})
            finish_turn(tx, incoming, say(language, "template.renamed", name=name), choices=[undo])

        await finish(self.store, reply, work)
        return True

    async def press_name(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Give a template the name that it had before."""

        def work(tx: Tx) -> None:
            found, name = _found(tx, incoming, action), action.payload["name"]
            tx.templates.rename_template(incoming.address.bot, incoming.user.id, found.id, name)
            finish_turn(tx, incoming, say(incoming.language, "template.renamed", name=name), over=True)

        await finish(self.store, reply, work)

    async def press_delete(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Delete a template, and show the list with a button that brings it back."""

        def work(tx: Tx) -> None:
            found = _found(tx, incoming, action)
            tx.templates.delete_template(incoming.address.bot, incoming.user.id, found.id)
            page, label = _list_page(tx, incoming), say(incoming.language, "template.restore", name=found.name)
            undo = Choice(label, "template.restore", {"name": found.name, "text": found.text})
            finish_page(tx, incoming, replace(page, rows=[*page.rows, [undo]]))

        await finish(self.store, reply, work)

    async def press_restore(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Bring a deleted template back, and show it. The button works once."""

        def work(tx: Tx) -> None:
            kept = _keep(tx, incoming, action.payload["name"], action.payload["text"])
            tx.buttons.expire_button(action.key)
            finish_page(tx, incoming, _page(incoming, kept))

        await finish(self.store, reply, work)


def _list_page(tx: Tx, incoming: Incoming) -> Page:
    """All templates: a tap on a name asks its question, the pencil beside it opens it."""
    language, found = incoming.language, _templates(tx, incoming)
    about = "template.about" if found else "template.none"
    blank = f"{{{say(language, 'template.blank')}}}"
    rows = [
        [Choice(one.name, "template.use", here, queued=True), Choice("✏️", "template.show", here)]
        for one in found
        for here in ({"template": one.id},)
    ]
    text = f"{say(language, 'settings.templates')}\n\n{say(language, about, blank=blank)}"
    return Page(text, [*rows, [Choice(say(language, "template.add"), "template.new")]])


def _page(incoming: Incoming, one: SavedTemplate) -> Page:
    language, here = incoming.language, {"template": one.id}
    rows = [
        [Choice(say(language, "template.use"), "template.use", here, queued=True)],
        [
            Choice(say(language, "chats.rename"), "template.rename", here),
            Choice(say(language, "template.delete"), "template.delete", here),
        ],
        [Choice(say(language, "template.back"), "template.list")],
    ]
    return Page(f"📋 {one.name}\n\n{one.text}", rows)


def _ask_text(tx: Tx, incoming: Incoming, name: str) -> None:
    blank = f"{{{say(incoming.language, 'template.blank')}}}"
    text = say(incoming.language, "template.add.ask", blank=blank)
    if name:
        text = say(incoming.language, "template.add.named", name=name, ask=text)
    finish_asking(tx, incoming, "template.new", text, name=name, takes_questions=True)


def _question(tx: Tx, incoming: Incoming) -> str:
    """The words of the question that the command replies to, or to whose answer. Raises `BadInput`."""
    shown = branching.replied(tx, incoming.address, incoming.reply_to)
    if shown is not None and shown.message.role == "assistant" and shown.parent is not None:
        shown = tx.messages.find_message(shown.parent)
    if shown is None or not shown.words.strip():
        raise BadInput(say(incoming.language, "template.usage"))
    return shown.words.strip()


def _keep(tx: Tx, incoming: Incoming, name: str, text: str) -> SavedTemplate:
    """Add a template; without a `name` its first words are the name. Raises `BadInput`."""
    language, found = incoming.language, _templates(tx, incoming)
    if not text:
        raise BadInput(say(language, "template.usage"))
    if len(text) > LONGEST_TEXT:
        raise BadInput(say(language, "template.long", limit=LONGEST_TEXT, length=len(text)))
    if len(found) >= MOST:
        raise BadInput(say(language, "template.many", limit=MOST))
    if name and _by_name(found, name) is not None:
        raise BadInput(say(language, "template.taken", name=name))
    base, number = name or _tidy(text), 1
    name = base
    while _by_name(found, name) is not None:
        number += 1
        name = f"{base} {number}"
    return tx.templates.add_template(incoming.address.bot, incoming.user.id, name, text)


def _templates(tx: Tx, incoming: Incoming) -> Sequence[SavedTemplate]:
    return tx.templates.list_templates(incoming.address.bot, incoming.user.id)


def _by_name(templates: Sequence[SavedTemplate], name: str) -> SavedTemplate | None:
    return next((one for one in templates if one.name.casefold() == name.casefold()), None)


def _found(tx: Tx, incoming: Incoming, action: ButtonPress) -> SavedTemplate:
    """The template of a button. Raises `BadInput` if it was deleted."""
    for one in _templates(tx, incoming):
        if one.id == action.payload["template"]:
            return one
    raise BadInput(say(incoming.language, "template.gone"))


def _next_place(one: SavedTemplate, values: Mapping[str, str]) -> str | None:
    """The first word in braces that has no value, None if all have one."""
    return next((place for place in PLACE.findall(one.text) if place not in values), None)


def _split(words: str) -> tuple[str, str]:
    """The name and the question in the words after the command; "" for what they do not have."""
    name, _, text = words.partition("\n")
    if text.strip() and not PLACE.search(name):
        return _tidy(name), text.strip()
    return ("", words) if PLACE.search(words) else (_tidy(words), "")


def _tidy(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1].rstrip() + "…"
