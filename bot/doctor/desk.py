"""Checks of the support desk: its file desk.toml, the groups of its operators, private chats. Without DESK nothing is
checked.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bot.config.settings import Settings
from bot.doctor.finding import PATIENCE, Finding, fail, ok, warn
from bot.doctor.machine import read_database
from bot.storage.tables.desk import GROUPS, Account

if TYPE_CHECKING:
    from bot.desk.policy.desk_file import DeskTable
    from bot.storage.store import Tx
    from bot.telegram.client.api import Api

THREADS = "@BotFather, the bot, Bot Settings, Threads Settings"
DAY = 86_400.0  # seconds
Group = tuple[int, str, float]  # the chat, its team, its load in messages a minute
BUSY = 11.0  # messages a minute to a group, from which on they wait for each other


def check_desk(settings: Settings) -> Iterator[Finding]:
    """Check whether the rules of the support desk can be used."""
    if settings.desk is None:
        return
    from bot.desk.policy.desk_file import DeskFile

    file = DeskFile(settings.desk)
    if problem := file.problem:
        yield fail("desk", problem, "docs/desk.md shows what stands in the file; a start has no rules until then")
        return
    yield ok("desk", f"{len(file.table.rule)} rules, {len(file.table.teams)} teams ({settings.desk})")
    if file.table.hook.url and not settings.desk_hook_secret.get_secret_value():
        yield fail("desk", "[hook] of desk.toml has an address, and no event is sent to it", "Set DESK_HOOK_SECRET")


async def check_groups(settings: Settings, api: Api, me: Mapping[str, Any]) -> AsyncIterator[Finding]:
    """Check the rights of the bot in the groups of operators, their load, private chats where operators sit there, and
    connected accounts; `me` is what Telegram says of the bot.
    """
    if settings.desk is None:
        return
    from bot.desk.policy.desk_file import DeskFile
    from bot.telegram.group_rights import missing_rights

    def read(tx: Tx) -> tuple[Sequence[Group], Sequence[Account]]:
        since = time.time() - DAY
        found = tx.all(GROUPS, bot=api.id)
        groups = [(one.chat, one.team, tx.seats.busiest(api.id, one.chat, since)) for one in found]
        return groups, tx.all(Account, bot=api.id)

    table = DeskFile(settings.desk).table
    groups, connected = await read_database(settings, read) or ((), ())
    for finding in (*check_own_seats(table, me), *_check_accounts(table, me, connected)):
        yield finding
    for chat, team, load in groups:
        missing = await missing_rights(lambda method: api.call(method, deadline=PATIENCE), api.id, chat)
        name = f"the group {chat}{f' of the team {team}' * bool(team)}"
        if missing:
            advice = "Make the bot an administrator who may manage topics and delete messages, in a group with topics"
            yield fail("desk", f"{name}: the bot lacks {', '.join(missing)}; what is for operators waits", advice)
        elif load >= BUSY:
            text = f"{name} needs {load:.1f} of its 20 messages a minute in the busiest ten minutes of the last day"
            yield warn("desk", text, 'Give each team a group of its own, or set seats = "own" in desk.toml')
        else:
            yield ok("desk", f"{name}: rights are there; {load:.1f} of 20 messages a minute at most in the last day")


def _check_accounts(table: DeskTable, me: Mapping[str, Any], connected: Sequence[Account]) -> Iterator[Finding]:
    """Whether accounts can be connected to the bot, if there is a table [business], and whether it may answer there."""
    if table.business is None:
        return
    if not me.get("can_connect_to_business"):
        text = "desk.toml has [business], and no account can connect the bot: its Business Mode is off"
        yield warn("desk", text, "@BotFather, the bot, Bot Settings, Business Mode: switch it on (docs/business.md)")
    for account in connected:
        text = f"the account of the user {account.user} is connected"
        if account.may_reply:
            yield ok("desk", f"{text}; the bot may answer there")
        else:
            advice = "The owner: Telegram settings, Business, Chatbots, allow the bot to reply"
            yield warn("desk", f"{text} no more, or the bot may not answer there", advice)


def check_own_seats(table: DeskTable, me: Mapping[str, Any]) -> Iterator[Finding]:
    """Check whether the bot can open cases in private chats, if a team of the support desk wants that."""
    if not table.has_own_seats:
        return
    if not me.get("has_topics_enabled"):
        text = 'desk.toml has seats = "own", and the bot has no topics in private chats: operators answer by replies'
        yield warn("desk", text, f"{THREADS}: switch Threaded Mode on")
    elif me.get("allows_users_to_create_topics"):
        text = (
            "users may make topics in private chats with the bot: operators get a new one for what they write outside"
        )
        yield warn("desk", text, f"{THREADS}: forbid users to create threads")
