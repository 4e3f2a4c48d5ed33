"""Who answers in a chat: the list, the choice, what a persona says first and what it suggests to ask.

Begin with `Personas.feature`. What a persona does to an answer stands in `conversation/request.py`; its file is read in
`prompts/schema.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.conversation.assistant import Assistant
from bot.feature import ButtonHandler, Command, Feature
from bot.outbox import offer, put, settle
from bot.ports import Reply
from bot.prompts.greeting import greeting, suggested
from bot.prompts.library import ASSISTANT, Library
from bot.prompts.schema import said
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Kind, Outgoing, Permission


@dataclass(slots=True)
class Personas:
    store: Store
    chat: Assistant
    library: Library

    def feature(self) -> Feature:
        return Feature(
            commands={"/persona": Command(self.personas)},
            presses={
                "persona.set": ButtonHandler(self.press_set, Permission.CHOOSE),
                "persona.ask": ButtonHandler(self.press_ask),
            },
        )

    async def personas(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        choices = await self.store.read(lambda tx: tx.chats.choices(incoming.address))
        language = choices.language_for(incoming.user)
        found, now = self.library.personas(), self.library.persona(choices.persona)
        rows = [
            f"{'✓' if key == now.key else '•'} {persona.name(language)}: {said(persona.description, language, '')}"
            for key, persona in found.items()
        ]
        text = "\n".join((say(language, "persona.choose", persona=now.name(language)), "", *rows))
        options = [(persona.name(language), "persona.set", {"persona": key}) for key, persona in found.items()]
        await offer(self.store, incoming, reply, text, options)

    async def press_set(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """The chat has chosen: the persona says its greeting."""
        key, known = action.payload["persona"], self.library.personas()

        def work(tx: Tx) -> None:
            language = tx.chats.choices(incoming.address).language_for(incoming.user)
            if key not in known:
                put(tx, incoming, Outgoing(say(language, "persona.gone"), plain=True))
                return
            tx.chats.choose(incoming.address, persona="" if key == ASSISTANT else key)
            text = greeting(known[key], incoming, language) or say(language, "persona.chosen")
            head = say(language, "persona.now", persona=known[key].name(language))
            put(
                tx, incoming, Outgoing(f"{head}\n\n{text}", True, buttons=suggested(tx, incoming, known[key], language))
            )

        await self.store.write(work)
        await reply.finish()

    async def press_ask(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """A suggested question is asked as if it had been written."""
        asked = replace(incoming, kind=Kind.MESSAGE, text=action.payload["question"], message_id=0)
        begun = await self.chat.questions.take(asked, last=True)
        if begun.place is None:
            await settle(self.store, incoming, reply)
        else:
            await self.chat.answer(asked, reply, begun)
