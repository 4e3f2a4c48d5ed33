"""What a feature brings to the bot: commands, buttons, and what it does with a message that the bot has asked for.

A feature is a class in a file of its own, whose method `feature` returns one of these. `runtime/wiring.py` lists them,
and `dispatch/router.py` finds in the list what somebody meant.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bot.jobs.worker import Work
from bot.ports import Handler, Reply
from bot.storage.repositories.buttons import ButtonPress
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
    """`act` is what one needs the right for; `in_menu` also stands in the list of /help, with `about`: one text for all
    languages or one for each; without it the texts have it. `is_notice`: what it says only the asker needs; `alone`:
    nobody but the bot sees that it was said, where the messenger can do that.
    """

    run: CommandHandler
    in_menu: bool = True
    requires: Permission = Permission.TALK
    about: str | Mapping[str, str] = ""
    is_notice: bool = False
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class ButtonHandler:
    """What the buttons of one action do (`tx.buttons.add`)."""

    run: PressHandler
    requires: Permission = Permission.TALK


@dataclass(frozen=True, slots=True)
class Feature:
    """`commands` by their words ("/image"); `presses` by the action of a button; `awaits` by the action that
    `tx.buttons.wait_for` was given: what is done with the user's next message. `jobs` by their kind: what is done
    later. `kinds` has handlers for updates that are neither messages nor presses.
    """

    commands: Mapping[str, Command] = field(default_factory=dict)
    presses: Mapping[str, ButtonHandler] = field(default_factory=dict)
    awaits: Mapping[str, ReplyHandler] = field(default_factory=dict)
    jobs: Mapping[str, Work] = field(default_factory=dict)
    kinds: Mapping[Kind, Handler] = field(default_factory=dict)


def joined(features: Sequence[Feature]) -> Feature:
    """All of them as one. Two that want the same word are a mistake of the programmer."""
    return Feature(
        _united([feature.commands for feature in features]),
        _united([feature.presses for feature in features]),
        _united([feature.awaits for feature in features]),
        _united([feature.jobs for feature in features]),
        _united([feature.kinds for feature in features]),
    )


def _united(tables: Sequence[Mapping[K, V]]) -> dict[K, V]:
    names = [name for table in tables for name in table]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two features want {', '.join(twice)}")
    return {name: value for table in tables for name, value in table.items()}
