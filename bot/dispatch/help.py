"""/help and the menus of commands: nine in private chats, fewer in groups, more for owners and administrators.

Every command works when it is typed. Those that stand in no menu have their place in the settings panel. Begin with
`Help.menu`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.access.policy import Access, Actor, Decision
from bot.feature import Feature, Turn, command, job
from bot.handlers import Command, Handlers, joined
from bot.jobs.menus import KIND
from bot.outbox import Answer
from bot.ports import Menu, Transport
from bot.storage.store import Store, Tx
from bot.texts.catalog import LANGUAGES, own, say
from bot.types import Job, Permission

PRIVATE = ("/new", "/chats", "/image", "/write", "/remind", "/model", "/settings", "/usage", "/help")
GROUP = ("/new", "/image", "/whisper", "/remind", "/model", "/settings", "/usage", "/help")


@dataclass(frozen=True, slots=True, kw_only=True)
class Help(Feature):
    """Lists the commands of all `features`."""

    store: Store
    access: Access
    transport: Transport
    features: Sequence[Handlers] = ()

    @property
    def commands(self) -> Mapping[str, Command]:
        """Every command by its word, such as "/help"."""
        return joined([self.feature(), *self.features]).commands

    def menu(self, language: str, actor: Actor | None = None, *, of_groups: bool = False) -> list[tuple[str, str]]:
        """Name and description of each command in a menu: those of the programmer, the bot's own, those of the role.

        Without an `actor` it is the menu of a user without special rights.
        """
        known = self.commands
        usual = [word for word in (GROUP if of_groups else PRIVATE) if word in known and known[word].in_menu]
        added = [word for word, one in known.items() if one.about and one.requires is Permission.TALK]
        special = [
            word
            for word, one in known.items()
            if actor is not None
            and one.requires in (Permission.CORRECT, Permission.MANAGE, Permission.ADMINISTER)
            and self.access.authorize(actor, one.requires) is Decision.ALLOWED
        ]
        return [_line(word, known[word], language) for word in dict.fromkeys((*added, *usual, *special))]

    def menus(self) -> Sequence[Menu]:
        """The menus that all private chats and all groups begin with, in each language."""
        ephemeral = frozenset(word.removeprefix("/") for word, command in self.commands.items() if command.ephemeral)
        return [
            Menu(language, self.menu(language, of_groups=of_groups), of_groups, ephemeral if of_groups else frozenset())
            for language in self._languages()
            for of_groups in (False, True)
        ]

    def _languages(self) -> Sequence[str]:
        """The languages that have a menu of their own, "" for every other: those of the bot, and those in which a
        programmer describes commands.
        """
        abouts = (command.about for command in self.commands.values())
        told = (code for about in abouts if not isinstance(about, str) for code in about)
        codes = (code for code in (*LANGUAGES, *told) if code != "en" and len(code) == 2)  # Telegram takes two letters
        return ["", *dict.fromkeys(codes)]

    @job(KIND)
    async def set_menu(self, job: Job) -> None:
        """Set the menu of a private chat by the language and the role that its user has now."""
        where = job.address
        language = await self.store.read(lambda tx: tx.chats.read_language(where.bot, where.chat))
        await self.transport.set_menu(
            where, self.menu(language, Actor(where.chat, private=True, firsthand=True, chat=where.chat))
        )
        await self.store.write(lambda tx: tx.jobs.delete_done(job))

    @command("/help", is_notice=True)
    def help(self, _tx: Tx, turn: Turn) -> Answer:
        """Say what can be sent, edited and replied to, and list the menu of this user."""
        listed = self.menu(turn.language, Actor.of(turn), of_groups=not turn.private)
        lines = "\n".join(turn.say("help.line", name=name, about=text) for name, text in listed)
        return Answer(turn.say("help" if turn.private else "help.group", commands=lines), is_notice=True)


def _line(word: str, command: Command, language: str) -> tuple[str, str]:
    """A command's name without its slash, and its description."""
    name = word.removeprefix("/")
    return name, own(command.about, language) or say(language, f"command.{name}")
