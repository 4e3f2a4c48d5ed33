"""The command /persona: choose the persona that answers in a chat, and ask the questions that it suggests.

Begin with `Personas.feature`. `conversation/request.py` applies a persona to an answer; `prompts/schema.py` reads its
file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.conversation.assistant import Assistant
from bot.feature import ButtonHandler, Command, Feature
from bot.outbox import Choice, finish, finish_turn, finish_with
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

    def feature(self) -> Feature:
        """The command /persona and its buttons."""
        return Feature(
            commands={"/persona": Command(self.personas)},
            presses={
                "persona.set": ButtonHandler(self.press_set, Permission.CHOOSE),
                "persona.ask": ButtonHandler(self.press_ask),
            },
        )

    async def personas(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """List the personas, with a button to choose each."""
        language = incoming.language
        found, now = self.library.personas(), self.library.persona(incoming.chat.persona)
        rows = [
            f"{'✓' if key == now.key else '•'} {persona.name(language)}: {said(persona.description, language, '')}"
            for key, persona in found.items()
        ]
        text = "\n".join((say(language, "persona.choose", persona=now.name(language)), "", *rows))
        choices = [Choice(persona.name(language), "persona.set", {"persona": key}) for key, persona in found.items()]
        await finish_with(self.store, incoming, reply, text, choices=choices)

    async def press_set(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Store the chosen persona, and show its greeting and suggested questions."""
        key, personas = action.payload["persona"], self.library.personas()

        def work(tx: Tx) -> None:
            language = incoming.language
            if key not in personas:
                finish_turn(tx, incoming, say(language, "persona.gone"))
                return
            tx.chats.store_choices(incoming.address, persona="" if key == ASSISTANT else key)
            text = greeting(personas[key], incoming, language) or say(language, "persona.chosen")
            head = say(language, "persona.now", persona=personas[key].name(language))
            buttons = suggested(tx, incoming, personas[key], language)
            finish_turn(tx, incoming, Outgoing(f"{head}\n\n{text}", plain=True, buttons=buttons))

        await finish(self.store, reply, work)

    async def press_ask(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Answer a suggested question as if the user had written it."""
        asked = replace(incoming, kind=Kind.MESSAGE, text=action.payload["question"], message_id=0)
        await self.assistant.answer(asked, reply, last=True)
