"""The command /persona: choose the persona that answers in a chat, and ask the questions that it suggests.

Begin with `Personas.feature`. `conversation/request.py` applies a persona to an answer; `prompts/schema.py` reads its
file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.access.audit_log import store_choices
from bot.conversation.assistant import Assistant
from bot.feature import ButtonHandler, Command, Handlers, Section
from bot.features.settings_panel import pairs
from bot.outbox import Choice, Page, finish, finish_page
from bot.ports import Reply
from bot.prompts.greeting import greeting, suggested
from bot.prompts.library import ASSISTANT, Library
from bot.prompts.schema import said
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Kind, Outgoing, Permission


@dataclass(slots=True, kw_only=True)
class Personas:
    """Lists the personas of the library and stores the choice of a chat."""

    store: Store
    assistant: Assistant
    library: Library

    def feature(self) -> Handlers:
        """The command /persona, its buttons, and the section of the settings panel."""
        return Handlers(
            commands={"/persona": Command(self.personas)},
            presses={
                "persona.set": ButtonHandler(self.press_set, Permission.CHOOSE, has_toast=True),
                "persona.ask": ButtonHandler(self.press_ask),
            },
            sections={"persona": Section(page=self._page, value=self._value)},
        )

    async def personas(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Open a settings panel with the personas, and a button to choose each."""
        await finish(self.store, reply, lambda tx: finish_page(tx, incoming, self._page(tx, incoming)))

    def _value(self, _tx: Tx, incoming: Incoming) -> str:
        return self.library.persona(incoming.chat.persona).name(incoming.language)

    def _page(self, _tx: Tx, incoming: Incoming) -> Page:
        language = incoming.language
        found, now = self.library.personas(), self.library.persona(incoming.chat.persona)
        rows, choices = [], []
        for key, persona in found.items():
            name, is_now = persona.name(language), key == now.key
            told = filter(None, (name, said(persona.description, language, "")))
            rows.append(f"{'✓' if is_now else '•'} {': '.join(told)}")
            choices.append(Choice(f"✓ {name}" if is_now else name, "persona.set", {"persona": key}))
        text = "\n".join((say(language, "persona.choose", persona=now.name(language)), "", *rows))
        return Page(text, pairs(choices))

    async def press_set(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Store the chosen persona and mark it in the panel; its greeting and suggested questions follow."""
        key, personas, language = action.payload["persona"], self.library.personas(), incoming.language
        stored = "" if key == ASSISTANT else key
        changed = replace(incoming, chat=replace(incoming.chat, persona=stored))

        def work(tx: Tx) -> str:
            if key not in personas:
                finish_page(tx, incoming, self._page(tx, incoming))
                return say(language, "persona.gone")
            store_choices(tx, incoming, {"persona": stored})
            text = greeting(personas[key], incoming, language) or say(language, "persona.chosen")
            buttons = suggested(tx, incoming, personas[key], language, 1)
            finish_page(tx, changed, self._page(tx, changed), Outgoing(text, plain=True, buttons=buttons))
            return say(language, "persona.now", persona=personas[key].name(language))

        await reply.acknowledge(await finish(self.store, reply, work))

    async def press_ask(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Answer a suggested question as if the user had written it."""
        asked = replace(incoming, kind=Kind.MESSAGE, text=action.payload["question"], message_id=0)
        await self.assistant.answer(asked, reply, last=True)
