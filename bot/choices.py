"""What is chosen in a chat: language, model, streaming. Begin with `Choosing.feature`."""

from __future__ import annotations

from dataclasses import dataclass

from bot.access import Action as Act
from bot.features import Command, Feature, Press
from bot.outbox import offer, settle
from bot.routing import Routing
from bot.storage.buttons import Action
from bot.storage.chats import Choices
from bot.storage.store import Store, Tx
from bot.texts.catalog import NAMES, known, say
from bot.types import Incoming, Outgoing, Reply

STREAMING = ("draft", "edit", "off")
SETTINGS = ("language", "model", "streaming")


@dataclass(slots=True)
class Choosing:
    """`streaming` is the operator's choice of it."""

    store: Store
    routing: Routing
    streaming: str

    def feature(self) -> Feature:
        return Feature(
            commands={"/model": Command(self.model), "/settings": Command(self.settings)},
            presses={
                **{f"settings.{name}": Press(self.press_settings) for name in SETTINGS},
                **{f"{name}.set": Press(self.press_set, Act.CHOOSE) for name in SETTINGS},
            },
        )

    async def model(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        choices = await self._choices(incoming)
        language = choices.language or incoming.user.language
        now = self.routing.pick(choices.model)
        options = [(offer.title, "model.set", {"model": offer.name}) for offer in self.routing.offers]
        text = say(language, "model.choose", model=now.title)
        if choices.model and now.name != choices.model:
            text = say(language, "model.gone", old=choices.model, new=now.title) + "\n" + text
        await offer(self.store, incoming, reply, text, options)

    async def settings(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        choices = await self._choices(incoming)
        language = choices.language or incoming.user.language
        text = say(
            language, "settings", language=NAMES[known(language)], model=self.routing.pick(choices.model).title,
            streaming=say(language, f"streaming.{choices.streaming or self.streaming}"),
        )  # fmt: skip
        options = [(say(language, f"settings.{name}"), f"settings.{name}", dict[str, str]()) for name in SETTINGS]
        await offer(self.store, incoming, reply, text, options)

    async def press_settings(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        choices = await self._choices(incoming)
        language = choices.language or incoming.user.language
        if action.name == "settings.model":
            await self.model(incoming, reply, "")
            return
        options = (
            [(title, "language.set", {"language": code}) for code, title in NAMES.items()]
            if action.name == "settings.language"
            else [(say(language, f"streaming.{mode}"), "streaming.set", {"streaming": mode}) for mode in STREAMING]
        )
        await offer(self.store, incoming, reply, say(language, "settings.choose"), options)

    async def press_set(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """Store a choice of the chat."""
        choices = await self._choices(incoming)
        language = action.payload.get("language") or choices.language or incoming.user.language
        sentence = say(language, "settings.saved")
        if "model" in action.payload:
            sentence = say(language, "model.chosen", model=self.routing.pick(action.payload["model"]).title)

        def work(tx: Tx) -> None:
            where = incoming.address
            tx.chats.choose(where, **action.payload)
            if not incoming.private:
                tx.audit.add(where.bot, incoming.user.id, "settings", where.chat, **action.payload)

        await settle(self.store, incoming, reply, Outgoing(sentence, plain=True), also=work)

    async def _choices(self, incoming: Incoming) -> Choices:
        return await self.store.read(lambda tx: tx.chats.choices(incoming.address))
