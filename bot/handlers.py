"""What a feature adds to the bot, as the router takes it: `Handlers` by the words of commands, the actions of buttons.

A feature is a class in a file of its own (`feature.Feature`), whose method `feature` returns them. `runtime/wiring.py`
lists all of them, and `dispatch/router.py` finds the handler of an update in that list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bot.errors import ConfigError
from bot.jobs.worker import Work
from bot.outbox import Page
from bot.ports import Handler, Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Tx
from bot.types import Incoming, Kind, Permission

K = TypeVar("K", bound=str)
V = TypeVar("V")
# The string is what stands after the command on its line.
CommandHandler = Callable[[Incoming, Reply, str], Awaitable[None]]
PressHandler = Callable[[Incoming, Reply, ButtonPress], Awaitable[None]]
# Handles a message that the bot has asked for. False: it is a question like any other, after all.
ReplyHandler = Callable[[Incoming, Reply, ButtonPress], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Command:
    """A command. `requires` is the permission that a user needs to give it.

    `dispatch/help.py` decides which commands stand in the menus. With `in_menu` False this command never does, because
    it can do nothing as the bot is set up. `about` is a programmer's description of the command: one text for all
    languages, or one for each. The bot's own commands have their descriptions in the texts, under the key
    `command.NAME`. `is_notice`: the answer is a notice (`outbox.notice_of`). `ephemeral`: if the messenger can do that,
    only the bot sees in a group that the command was given.
    """

    run: CommandHandler
    requires: Permission = Permission.TALK
    in_menu: bool = True
    about: str | Mapping[str, str] = ""
    is_notice: bool = False
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class ButtonHandler:
    """What the buttons of one action do, and the permission to press them (`tx.buttons.add_button`).

    `has_toast`: the handler acknowledges the press itself, with a text that the messenger shows for a moment.
    """

    run: PressHandler
    requires: Permission = Permission.TALK
    has_toast: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """An entry of the settings panel, whose title is the text `settings.NAME`.

    `page` returns the page that a press on the entry opens. `value` returns what the overview shows beside the title,
    "" for the title alone. `offered` says whether the entry stands in the panel of a chat.
    """

    page: Callable[[Tx, Incoming], Page]
    value: Callable[[Tx, Incoming], str] = lambda _tx, _incoming: ""
    offered: Callable[[Incoming], bool] = lambda _incoming: True


@dataclass(frozen=True, slots=True)
class Handlers:
    """The handlers of one feature, or of all.

    `commands` maps the word of a command ("/image") to its handler, `presses` the action of a button to the handler of
    its presses, `jobs` the kind of a job to the function that runs it. `awaits` maps an action to the handler of the
    user's answer, for questions that were asked under that action (`Ask`). `kinds` maps kinds of updates that are
    neither messages nor presses to their handlers. `sections` are entries of the settings panel, by their names.
    """

    commands: Mapping[str, Command] = field(default_factory=dict)
    presses: Mapping[str, ButtonHandler] = field(default_factory=dict)
    awaits: Mapping[str, ReplyHandler] = field(default_factory=dict)
    jobs: Mapping[str, Work] = field(default_factory=dict)
    kinds: Mapping[Kind, Handler] = field(default_factory=dict)
    sections: Mapping[str, Section] = field(default_factory=dict)


def joined(features: Sequence[Handlers]) -> Handlers:
    """All features as one. Raises `ConfigError` if two of them handle the same word, action or kind."""
    return Handlers(
        commands=_united([feature.commands for feature in features]),
        presses=_united([feature.presses for feature in features]),
        awaits=_united([feature.awaits for feature in features]),
        jobs=_united([feature.jobs for feature in features]),
        kinds=_united([feature.kinds for feature in features]),
        sections=_united([feature.sections for feature in features]),
    )


def _united(tables: Sequence[Mapping[K, V]]) -> dict[K, V]:
    names = Counter(name for table in tables for name in table)
    if twice := sorted(name for name, count in names.items() if count > 1):
        raise ConfigError(f"two features want {', '.join(twice)}")
    return {name: value for table in tables for name, value in table.items()}
