"""/help and the menu: the commands that this user can give here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.access.policy import Access, Actor, Decision
from bot.feature import Command, Feature, joined
from bot.outbox import finish_with_notice
from bot.ports import Reply
from bot.storage.store import Store
from bot.texts.catalog import own, say
from bot.types import Incoming, Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """Lists the commands of all `features`, which are in the order of the menu."""

    store: Store
    access: Access
    features: Sequence[Feature] = ()

    def feature(self) -> Feature:
        """/help."""
        return Feature(commands={"/help": Command(self.help, is_notice=True)})

    @property
    def commands(self) -> Mapping[str, Command]:
        """Every command by its word, such as "/help", in the order of the menu."""
        return joined([self.feature(), *self.features]).commands

    def menu(self, language: str) -> list[tuple[str, str]]:
        """Name and description of every command in the menu."""
        return [_line(word, command, language) for word, command in self.commands.items() if command.in_menu]

    @property
    def unseen(self) -> frozenset[str]:
        """The names of ephemeral commands: in a group only the bot sees that they were given."""
        return frozenset(word.removeprefix("/") for word, command in self.commands.items() if command.ephemeral)

    async def help(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """List the menu, and below it the commands for which this user has a special permission."""
        chosen, actor = incoming.language, Actor.of(incoming)
        hidden = [(word, one) for word, one in self.commands.items() if not one.in_menu]
        special = [
            _line(word, one, chosen)
            for word, one in hidden
            if one.requires is not Permission.TALK and self.access.authorize(actor, one.requires) is Decision.ALLOWED
        ]
        lines = "\n".join(say(chosen, "help.line", name=name, about=text) for name, text in self.menu(chosen) + special)
        key = "help" if incoming.private else "help.group"
        await finish_with_notice(self.store, incoming, reply, key, commands=lines)


def _line(word: str, command: Command, language: str) -> tuple[str, str]:
    """A command's name without its slash, and its description."""
    name = word.removeprefix("/")
    return name, own(command.about, language) or say(language, f"command.{name}")
