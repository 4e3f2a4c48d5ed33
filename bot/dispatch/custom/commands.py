"""The commands that a programmer has added to the bot (`extension.OwnCommand`), as a feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.dispatch.custom.dialogues import Call, Dialogues
from bot.extension import OwnCommand
from bot.handlers import Command, CommandHandler, Handlers
from bot.ports import Reply
from bot.types import Incoming, Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomCommands:
    """Runs a programmer's own commands. The answer is stored with the end of the turn, so no crash loses it."""

    dialogues: Dialogues
    commands: Sequence[OwnCommand]

    def feature(self) -> Handlers:
        """One command for each function."""
        return Handlers(commands={f"/{own.word}": self._command(own) for own in self.commands})

    def _command(self, own: OwnCommand) -> Command:
        act = Permission.ADMINISTER if own.owners_only else Permission.TALK
        return Command(self._run(own), requires=act, about=own.about)

    def _run(self, own: OwnCommand) -> CommandHandler:
        async def run(incoming: Incoming, reply: Reply, _rest: str) -> None:
            await self.dialogues.run(incoming, reply, Call(command=own.word, text=incoming.text))

        return run
