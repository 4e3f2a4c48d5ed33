"""/on, /pause and /off: whether an operator takes cases now. The right to answer customers comes from the role."""

from __future__ import annotations

from bot.billing.budget import duration
from bot.desk.cases import Release
from bot.desk.desk import Desk, Places
from bot.desk.policy.desk_file import seconds_of
from bot.storage.store import Tx
from bot.storage.tables.desk import CASES_BY_WAIT, HELD, ON_DUTY, SNOOZED, WAITING, Group, OperatorDuty
from bot.texts.catalog import say
from bot.types import Address, Incoming

DUTY_WORDS = ("/on", "/pause", "/off")


def change_duty(desk: Desk, tx: Tx, incoming: Incoming, word: str, language: str) -> tuple[str, Places]:
    """Carry out /on, /pause 15m or /off of an operator. Returns what the operator is told, and the places in which
    something waits: after /off the operator's cases wait for somebody else.
    """
    who, now = incoming.user.id, tx.clock.time()
    had = tx.one(OperatorDuty, bot=desk.bot, user=who)
    team = _team_of(desk, tx, incoming.address.chat) or (had.team if had else desk.table.teams[0])
    if word == "/off":
        tx.put(OperatorDuty(bot=desk.bot, user=who, team=team, is_on=False), keep=["assigned"])
        count, places = release_all(desk, tx, who)
        return say(language, "desk.off", count=count), places
    if word == "/pause":
        seconds = seconds_of(incoming.rest)
        if not seconds:
            return say(language, "desk.pause.how"), ()
        tx.put(
            OperatorDuty(bot=desk.bot, user=who, team=team, is_on=True, paused_until=now + seconds), keep=["assigned"]
        )
        return say(language, "desk.pause", time=duration(language, seconds)), ()
    tx.put(OperatorDuty(bot=desk.bot, user=who, team=team, is_on=True), keep=["assigned"])
    for case in tx.all(CASES_BY_WAIT, bot=desk.bot, owner=WAITING):
        if desk.hours.team(case) == team:
            desk.assign(tx, case, turn=incoming.id)
    return say(language, "desk.on", team=desk.table.title(team, language)), ()


def release_all(desk: Desk, tx: Tx, who: int, chat: int = 0) -> tuple[int, Places]:
    """Let all cases of an operator wait again, or those of the team that works in the group `chat`. Returns how many,
    and the places in which something waits.
    """
    count, places = 0, list[Address]()
    for case in tx.all(CASES_BY_WAIT, bot=desk.bot, owner=(HELD, SNOOZED)):
        group = desk.group_of(tx, case) if chat else None
        if case.holder == who and (not chat or (group is not None and group.chat == chat)):
            count, places = count + 1, [*places, *desk.change(tx, case, Release(who), who=who)]
    return count, places


def leave(desk: Desk, tx: Tx, who: int, chat: int) -> Places:
    """An operator has left the group `chat`: that team's cases wait again, and the operator is offered none."""
    had, team = tx.one(OperatorDuty, bot=desk.bot, user=who), _team_of(desk, tx, chat)
    if had is not None and had.team == team:
        tx.put(OperatorDuty(bot=desk.bot, user=who, team=team, is_on=False), keep=["assigned"])
    return release_all(desk, tx, who, chat)[1]


def on_duty(desk: Desk, tx: Tx, language: str) -> str:
    """Who is on duty, with the number of cases that each has; "" if nobody has said so."""
    now, held = tx.clock.time(), [case.holder for case in tx.all(CASES_BY_WAIT, bot=desk.bot, owner=HELD)]
    found = [one for one in tx.all(ON_DUTY, bot=desk.bot) if one.works(now)]
    names = tx.members.read_names(desk.bot, [one.user for one in found])

    def named(one: OperatorDuty) -> str:
        return f"{names.get(one.user) or one.user} ({held.count(one.user)})"

    return say(language, "desk.duty", names=", ".join(map(named, found))) if found else ""


def _team_of(desk: Desk, tx: Tx, chat: int) -> str:
    """The team that works in a group, "" if it is not connected."""
    group = tx.one(Group, bot=desk.bot, chat=chat)
    return group.team if group is not None else ""
