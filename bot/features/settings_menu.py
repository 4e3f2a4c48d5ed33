"""What is chosen in a chat: language, model, reasoning, streaming; and the model of a user's own.

Begin with `Choosing.feature`. A chat's model comes before the user's, that before the persona's, that before the
operator's default.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bot.feature import ButtonHandler, Command, Feature
from bot.features import model_list
from bot.llm.routing import ModelOption, Routing
from bot.outbox import ALONE, offer, settle, tell
from bot.ports import Reply
from bot.prompts.library import Library
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.chats import Choices
from bot.storage.store import Store, Tx
from bot.texts.catalog import NAMES, known, say
from bot.types import Incoming, Outgoing, Permission

STREAMING = ("draft", "edit", "off")
SETTINGS = ("language", "model", "streaming", "notices")
REASONING = ("on", "off", "auto")


@dataclass(slots=True)
class Choosing:
    """`streaming` is the operator's choice of it."""

    store: Store
    routing: Routing
    streaming: str
    library: Library = field(default_factory=Library)

    def feature(self) -> Feature:
        return Feature(
            commands={
                "/model": Command(self.model, aside=True),
                "/reasoning": Command(self.reasoning, in_menu=self._reasons(), aside=True),
                "/settings": Command(self.settings, aside=True),
            },
            presses={
                **{f"settings.{name}": ButtonHandler(self.press_settings) for name in SETTINGS},
                **{
                    f"{name}.set": ButtonHandler(self.press_set, Permission.CHOOSE) for name in (*SETTINGS, "reasoning")
                },
                "model.everywhere": ButtonHandler(self.press_everywhere),
                "model.mine": ButtonHandler(self.press_mine),
            },
        )

    # --- the model ----------------------------------------------------------------------------------------------------

    async def model(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        choices = await self._choices(incoming)
        language = choices.language_for(incoming.user)
        now, gone = self._now(choices)
        options = [(offer.title, "model.set", {"model": offer.name}) for offer in self.routing.offers]
        if choices.model:
            options.append((say(language, "model.reset"), "model.set", {"model": ""}))
        options.append((say(language, "model.everywhere"), "model.everywhere", {}))
        text = self._list(say(language, "model.choose", model=now.title), now, language)
        if gone:
            text = say(language, "model.gone", old=", ".join(gone), new=now.title) + "\n" + text
        await offer(self.store, incoming, reply, text, options)

    async def press_everywhere(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """The same list for the user's own choice."""
        choices = await self._choices(incoming)
        language = choices.language_for(incoming.user)
        options = [(offer.title, "model.mine", {"model": offer.name}) for offer in self.routing.offers]
        if choices.own_model:
            options.append((say(language, "model.reset"), "model.mine", {"model": ""}))
        now, _ = self._now(choices)
        await offer(self.store, incoming, reply, self._list(say(language, "model.mine"), now, language), options)

    async def press_mine(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        choices = await self._choices(incoming)
        language, name = choices.language_for(incoming.user), action.payload["model"]
        key = "model.mine.chosen" if name else "model.mine.none"
        sentence = say(language, key, model=self.routing.pick(name).title)
        if name and choices.model:
            sentence += " " + say(language, "model.mine.here", model=self._now(choices)[0].title)
        await settle(
            self.store, incoming, reply, Outgoing(sentence, plain=True),
            also=lambda tx: tx.chats.prefer(incoming.address.bot, incoming.user.id, name),
        )  # fmt: skip

    def _list(self, head: str, now: ModelOption, language: str) -> str:
        order = say(language, "model.order", default=self.routing.default.title)
        return "\n\n".join((head, model_list.listed(self.routing, now, language), order))

    def _now(self, choices: Choices) -> tuple[ModelOption, tuple[str, ...]]:
        """The model that answers, and choices that are offered no more."""
        own = self.library.persona(choices.persona).model
        now, gone = self.routing.settle(choices.model, choices.own_model, own)
        return now, tuple(name for name in gone if name != own)

    # --- reasoning ----------------------------------------------------------------------------------------------------

    async def reasoning(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        choices = await self._choices(incoming)
        language = choices.language_for(incoming.user)
        now, _ = self._now(choices)
        if not now.model.profile.reasoning:
            await tell(self.store, incoming, reply, "reasoning.none", model=now.title)
            return
        mode = say(language, f"reasoning.{choices.reasoning or 'auto'}")
        options = [
            (say(language, f"reasoning.{mode}"), "reasoning.set", {"reasoning": "" if mode == "auto" else mode})
            for mode in REASONING
        ]
        text = say(language, "reasoning.choose", model=now.title, mode=mode)
        await offer(self.store, incoming, reply, text, options)

    def _reasons(self) -> bool:
        return any(offer.model.profile.reasoning for offer in self.routing.offers)

    # --- the others ---------------------------------------------------------------------------------------------------

    async def settings(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        choices = await self._choices(incoming)
        language = choices.language_for(incoming.user)
        text = say(
            language, "settings", language=NAMES[known(language)], model=self._now(choices)[0].title,
            streaming=say(language, f"streaming.{choices.streaming or self.streaming}"),
        )  # fmt: skip
        if not incoming.private:
            text += "\n" + say(language, "notices", notices=say(language, f"notices.{choices.notices or 'all'}"))
        names = SETTINGS[:-1] if incoming.private else SETTINGS
        options = [(say(language, f"settings.{name}"), f"settings.{name}", dict[str, str]()) for name in names]
        await offer(self.store, incoming, reply, text, options)

    async def press_settings(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        choices = await self._choices(incoming)
        language = choices.language_for(incoming.user)
        if action.name == "settings.model":
            await self.model(incoming, reply, "")
            return
        name = action.name.partition(".")[2]
        options = [(title, f"{name}.set", {name: value}) for title, value in _values(name, language)]
        await offer(self.store, incoming, reply, say(language, "settings.choose"), options)

    async def press_set(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Store a choice of the chat."""
        choices = await self._choices(incoming)
        language = action.payload.get("language") or choices.language_for(incoming.user)
        if action.payload.get("notices") == ALONE and not await reply.is_admin(incoming.address.bot):
            await tell(self.store, incoming, reply, "notices.cannot")
            return
        sentence = say(language, "settings.saved")
        if "model" in action.payload:
            now, _ = self._now(replace(choices, model=action.payload["model"]))
            sentence = say(language, "model.chosen", model=now.title)

        def work(tx: Tx) -> None:
            where = incoming.address
            tx.chats.choose(where, **action.payload)
            if not incoming.private:
                tx.audit.add(where.bot, incoming.user.id, "settings", where.chat, **action.payload)

        await settle(self.store, incoming, reply, Outgoing(sentence, plain=True), also=work)

    async def _choices(self, incoming: Incoming) -> Choices:
        return await self.store.read(lambda tx: tx.chats.choices(incoming.address, incoming.user.id))


def _values(setting: str, language: str) -> list[tuple[str, str]]:
    """What can be chosen for a setting: label and value."""
    match setting:
        case "language":
            return [(title, code) for code, title in NAMES.items()]
        case "notices":
            return [(say(language, "notices.all"), ""), (say(language, "notices.alone"), ALONE)]
        case _:
            return [(say(language, f"streaming.{mode}"), mode) for mode in STREAMING]
