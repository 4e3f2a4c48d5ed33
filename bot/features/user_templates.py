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
from bot.feature import NOT_MINE, Feature, Question, Result, Turn, awaited, command, press, section
from bot.outbox import Answer, Ask, Choice, Page
from bot.prompts.schema import PLACE
from bot.storage.store import Store, Tx
from bot.storage.tables.history import TEMPLATES, SavedTemplate
from bot.types import Kind

MOST = 30  # templates of a user
LONGEST_NAME = 40  # characters
LONGEST_TEXT = 4_000  # characters: one message shows it with its name
WORDS = ("/template", "/templates", "/шаблон", "/шаблоны")  # people type the command in their own language


@dataclass(slots=True, kw_only=True)
class UserTemplates(Feature):
    """Stores the templates of users, and asks their questions."""

    store: Store
    assistant: Assistant

    @command(*WORDS)
    def template(self, tx: Tx, turn: Turn) -> Result:
        """List templates, ask one, or make one.

        Without words it lists the templates of the user. `/template NAME` asks the question of the template of that
        name; if there is none, it makes one. Words with braces, and text below the first line, are not a name but the
        question of a new template. As a reply to a question or to its answer, the command keeps that question as a
        template, under a name made from its words if none is given.
        """
        if not turn.private:
            return Answer(turn.say("own.private"), is_notice=True)
        if turn.reply_to:
            return _page(turn, _keep(tx, turn, _tidy(turn.rest), _question(tx, turn)))
        name, text = _split(turn.rest.strip())
        if text:
            return _page(turn, _keep(tx, turn, name, text))
        if name:
            found = _by_name(_templates(tx, turn), name)
            return _fill(turn, found, {}) if found is not None else _ask_text(turn, name)
        return _list_page(tx, turn)

    @section("templates", offered=lambda _self, turn: turn.private)
    @press("template.list")
    def list(self, tx: Tx, turn: Turn) -> Page:
        """Show all templates."""
        return _list_page(tx, turn)

    @press("template.show")
    def show(self, tx: Tx, turn: Turn, template: int) -> Page:
        """Show one template, with buttons that ask, rename and delete it."""
        return _page(turn, _found(tx, turn, template))

    @press("template.use")
    def use(self, tx: Tx, turn: Turn, template: int) -> Result:
        """Ask the question of a template, after asking the user for the words in braces."""
        return _fill(turn, _found(tx, turn, template), {})

    @awaited("template.fill")
    def receive_value(self, tx: Tx, turn: Turn, template: int, values: dict[str, str]) -> Result:
        """Take the message as the words for the next place in braces, unless the template was deleted meanwhile."""
        found = tx.one(SavedTemplate, id=template, bot=turn.address.bot, user=turn.user.id)
        place = _next_place(found, values) if found is not None else None
        if found is None or place is None:
            return NOT_MINE
        return _fill(turn, found, {**values, place: turn.text})

    @press("template.new")
    def new(self, tx: Tx, turn: Turn) -> Ask:
        """Ask the user for the text of a new template."""
        return _ask_text(turn, "")

    @awaited("template.new")
    def receive_text(self, tx: Tx, turn: Turn, name: str) -> Page:
        """Keep the message as a new template, and show it."""
        return _page(turn, _keep(tx, turn, name, turn.text.strip()))

    @press("template.rename")
    def rename(self, tx: Tx, turn: Turn, template: int) -> Ask:
        """Ask the user for the new name of a template."""
        found = _found(tx, turn, template)
        return Ask("template.rename", turn.say("template.rename.ask", name=found.name), template=found.id)

    @awaited("template.rename")
    def receive_name(self, tx: Tx, turn: Turn, template: int) -> Answer:
        """Take the message as the new name of a template, with a button that takes it back."""
        name, found = _tidy(turn.text), _found(tx, turn, template)
        other = _by_name(_templates(tx, turn), name)
        if not name or other not in (None, found):
            raise BadInput(turn.say("template.taken", name=name))
        tx.change(found, name=name)
        undo = Choice(turn.say("ask.undo"), "template.name", {"template": found.id, "name": found.name})
        return Answer(turn.say("template.renamed", name=name), choices=[undo])

    @press("template.name")
    def rename_back(self, tx: Tx, turn: Turn, template: int, name: str) -> Answer:
        """Give a template the name that it had before."""
        tx.change(_found(tx, turn, template), name=name)
        return Answer(turn.say("template.renamed", name=name), over=True)

    @press("template.delete")
    def delete(self, tx: Tx, turn: Turn, template: int) -> Page:
        """Delete a template, and show the list with a button that brings it back."""
        found = _found(tx, turn, template)
        tx.remove(SavedTemplate, id=found.id)
        page, label = _list_page(tx, turn), turn.say("template.restore", name=found.name)
        undo = Choice(label, "template.restore", {"name": found.name, "text": found.text})
        return replace(page, rows=[*page.rows, [undo]])

    @press("template.restore", once=True)
    def restore(self, tx: Tx, turn: Turn, name: str, text: str) -> Page:
        """Bring a deleted template back, and show it."""
        return _page(turn, _keep(tx, turn, name, text))


def _fill(turn: Turn, one: SavedTemplate, values: Mapping[str, str]) -> Ask | Question:
    """Ask the user for the next words; with all of them, ask the model."""
    place = _next_place(one, values)
    if place is not None:
        text = turn.say("template.fill", name=one.name, place=place)
        return Ask("template.fill", text, template=one.id, values=dict(values), takes_questions=True)
    text = PLACE.sub(lambda found: values[found[1]].strip(), one.text)
    return Question(replace(turn, kind=Kind.MESSAGE, text=text, message_id=0, is_task=True))


def _list_page(tx: Tx, turn: Turn) -> Page:
    """All templates: a tap on a name asks its question, the pencil beside it opens it."""
    found = _templates(tx, turn)
    about = "template.about" if found else "template.none"
    blank = f"{{{turn.say('template.blank')}}}"
    rows = [
        [Choice(one.name, "template.use", here, queued=True), Choice("✏️", "template.show", here)]
        for one in found
        for here in ({"template": one.id},)
    ]
    text = f"{turn.say('settings.templates')}\n\n{turn.say(about, blank=blank)}"
    return Page(text, [*rows, [Choice(turn.say("template.add"), "template.new")]])


def _page(turn: Turn, one: SavedTemplate) -> Page:
    here = {"template": one.id}
    rows = [
        [Choice(turn.say("template.use"), "template.use", here, queued=True)],
        [
            Choice(turn.say("chats.rename"), "template.rename", here),
            Choice(turn.say("template.delete"), "template.delete", here),
        ],
        [Choice(turn.say("template.back"), "template.list")],
    ]
    return Page(f"📋 {one.name}\n\n{one.text}", rows)


def _ask_text(turn: Turn, name: str) -> Ask:
    blank = f"{{{turn.say('template.blank')}}}"
    text = turn.say("template.add.ask", blank=blank)
    if name:
        text = turn.say("template.add.named", name=name, ask=text)
    return Ask("template.new", text, name=name, takes_questions=True)


def _question(tx: Tx, turn: Turn) -> str:
    """The words of the question that the command replies to, or to whose answer. Raises `BadInput`."""
    shown = branching.replied(tx, turn.address, turn.reply_to)
    if shown is not None and shown.message.role == "assistant" and shown.parent is not None:
        shown = tx.messages.find_message(shown.parent)
    if shown is None or not shown.words.strip():
        raise BadInput(turn.say("template.usage"))
    return shown.words.strip()


def _keep(tx: Tx, turn: Turn, name: str, text: str) -> SavedTemplate:
    """Add a template; without a `name` its first words are the name. Raises `BadInput`."""
    found = _templates(tx, turn)
    if not text:
        raise BadInput(turn.say("template.usage"))
    if len(text) > LONGEST_TEXT:
        raise BadInput(turn.say("template.long", limit=LONGEST_TEXT, length=len(text)))
    if len(found) >= MOST:
        raise BadInput(turn.say("template.many", limit=MOST))
    if name and _by_name(found, name) is not None:
        raise BadInput(turn.say("template.taken", name=name))
    base, number = name or _tidy(text), 1
    name = base
    while _by_name(found, name) is not None:
        number += 1
        name = f"{base} {number}"
    return tx.add(SavedTemplate(bot=turn.address.bot, user=turn.user.id, name=name, text=text, at=tx.clock.time()))


def _templates(tx: Tx, turn: Turn) -> Sequence[SavedTemplate]:
    return tx.all(TEMPLATES, bot=turn.address.bot, user=turn.user.id)


def _by_name(templates: Sequence[SavedTemplate], name: str) -> SavedTemplate | None:
    return next((one for one in templates if one.name.casefold() == name.casefold()), None)


def _found(tx: Tx, turn: Turn, template: int) -> SavedTemplate:
    """The template of a button. Raises `BadInput` if it was deleted."""
    found = tx.one(SavedTemplate, id=template, bot=turn.address.bot, user=turn.user.id)
    if found is None:
        raise BadInput(turn.say("template.gone"))
    return found


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
