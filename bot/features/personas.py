"""The command /persona: choose the persona that answers in a chat, and ask the questions that it suggests.

Begin with `Personas.personas`. `conversation/request.py` applies a persona to an answer; `prompts/schema.py` reads its
file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.access.audit_log import store_choices
from bot.conversation.assistant import Assistant
from bot.feature import Feature, Question, Turn, command, press, section
from bot.features.settings_panel import pairs
from bot.outbox import Choice, Page
from bot.prompts.greeting import greeting, suggested
from bot.prompts.library import ASSISTANT, Library
from bot.prompts.schema import said
from bot.storage.store import Store, Tx
from bot.types import Incoming, Kind, Outgoing, Permission


@dataclass(slots=True, kw_only=True)
class Personas(Feature):
    """Lists the personas of the library and stores the choice of a chat."""

    store: Store
    assistant: Assistant
    library: Library

    def _value(self, _tx: Tx, turn: Incoming) -> str:
        return self.library.persona(turn.chat.persona).name(turn.language)

    @command("/persona")
    @section("persona", value=_value)
    def personas(self, _tx: Tx, turn: Turn) -> Page:
        """The personas, and a button to choose each."""
        found, now = self.library.personas(), self.library.persona(turn.chat.persona)
        rows, choices = [], []
        for key, persona in found.items():
            name, is_now = persona.name(turn.language), key == now.key
            told = filter(None, (name, said(persona.description, turn.language, "")))
            rows.append(f"{'✓' if is_now else '•'} {': '.join(told)}")
            choices.append(Choice(f"✓ {name}" if is_now else name, "persona.set", {"persona": key}))
        text = "\n".join((turn.say("persona.choose", persona=now.name(turn.language)), "", *rows))
        return Page(text, pairs(choices))

    @press("persona.set", requires=Permission.CHOOSE, has_toast=True)
    def choose(self, tx: Tx, turn: Turn, persona: str) -> Page:
        """Store the chosen persona and mark it in the panel; its greeting and suggested questions follow."""
        chosen = self.library.personas().get(persona)
        if chosen is None:
            return replace(self.personas(tx, turn), toast=turn.say("persona.gone"))
        stored = "" if persona == ASSISTANT else persona
        store_choices(tx, turn, {"persona": stored})
        text = greeting(chosen, turn, turn.language) or turn.say("persona.chosen")
        buttons = suggested(tx, turn, chosen, turn.language, 1)
        page = self.personas(tx, replace(turn, chat=replace(turn.chat, persona=stored)))
        toast = turn.say("persona.now", persona=chosen.name(turn.language))
        return replace(page, more=[Outgoing(text, plain=True, buttons=buttons)], toast=toast)

    @press("persona.ask")
    def ask(self, _tx: Tx, turn: Turn, question: str) -> Question:
        """Answer a suggested question as if the user had written it."""
        return Question(replace(turn, kind=Kind.MESSAGE, text=question, message_id=0))
