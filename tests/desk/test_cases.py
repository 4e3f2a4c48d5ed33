"""The states of a case: who owns it after which event, and what is refused. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.desk.cases import (
    REOPEN,
    Call,
    Close,
    Event,
    NotPossible,
    Release,
    Reopen,
    Return,
    Snooze,
    Take,
    Wake,
    step,
)  # fmt: skip
from bot.storage.tables.desk import BOT, CLOSED, HELD, SNOOZED, WAITING, Case
from bot.types import Address
from tests.support.table import table

NOW = 1_000_000.0
OLGA, OLEG = 7, 8
EVENTS: list[Event] = [
    Call("asked"), Take(OLGA), Take(OLEG), Return(), Return(OLGA), Return(OLEG), Release(OLGA), Snooze(OLGA, NOW + 60),
    Snooze(OLGA, NOW - 1), Wake(), Close(), Close(OLGA), Close(OLEG), Reopen(), Reopen(OLGA),
]  # fmt: skip


def case(owner: str, holder: int = 0, **values: object) -> Case:
    new = Case(id=1, address=Address("telegram", 1, 2), user=2, name="Ann", language="en", owner=owner, holder=holder)
    return replace(new, **values)  # type: ignore[arg-type]


@table(
    ("before", "event", "owner", "holder"),
    [
        (case(BOT), Call("asked"), WAITING, 0),
        (case(BOT), Take(OLGA), HELD, OLGA),
        (case(BOT), Close(), CLOSED, 0),
        (case(WAITING), Take(OLGA), HELD, OLGA),
        (case(WAITING), Return(), BOT, 0),
        (case(WAITING), Return(OLGA), BOT, 0),
        (case(WAITING), Close(OLGA), CLOSED, 0),
        (case(HELD, OLGA), Take(OLEG), HELD, OLEG),
        (case(HELD, OLGA), Return(OLGA), BOT, 0),
        (case(HELD, OLGA), Return(), BOT, 0),
        (case(HELD, OLGA), Release(OLGA), WAITING, 0),
        (case(HELD, OLGA), Snooze(OLGA, NOW + 60), SNOOZED, OLGA),
        (case(HELD, OLGA), Close(OLGA), CLOSED, 0),
        (case(HELD, OLGA), Close(), CLOSED, 0),
        (case(SNOOZED, OLGA), Wake(), HELD, OLGA),
        (case(SNOOZED, OLGA), Take(OLEG), HELD, OLEG),
        (case(SNOOZED, OLGA), Take(OLGA), HELD, OLGA),
        (case(SNOOZED, OLGA), Release(OLGA), WAITING, 0),
        (case(CLOSED, closed=NOW - 60, last_holder=OLGA), Reopen(), WAITING, 0),
        (case(CLOSED, closed=NOW - 60, last_holder=OLGA), Reopen(OLGA), HELD, OLGA),
    ],
)
def test_an_event_changes_the_owner_and_the_version(before: Case, event: Event, owner: str, holder: int) -> None:
    after = step(before, event, NOW)
    assert (after.owner, after.holder, after.version) == (owner, holder, before.version + 1)


@table(
    ("before", "event", "key"),
    [
        (case(WAITING), Call("asked"), "desk.is_called"),
        (case(HELD, OLGA), Call("asked"), "desk.is_called"),
        (case(HELD, OLGA), Take(OLGA), "desk.is_yours"),
        (case(HELD, OLGA), Return(OLEG), "desk.not_yours"),
        (case(HELD, OLGA), Close(OLEG), "desk.not_yours"),
        (case(HELD, OLGA), Release(OLEG), "desk.not_yours"),
        (case(WAITING), Snooze(OLGA, NOW + 60), "desk.not_yours"),
        (case(HELD, OLGA), Snooze(OLGA, NOW - 1), "desk.snooze_past"),
        (case(BOT), Return(OLGA), "desk.is_bots"),
        (case(HELD, OLGA), Wake(), "desk.not_snoozed"),
        (case(CLOSED), Take(OLGA), "desk.is_closed"),
        (case(CLOSED, closed=NOW - REOPEN - 1, last_holder=OLGA), Reopen(), "desk.not_closed"),
        (case(HELD, OLGA), Reopen(), "desk.not_closed"),
        (case(CLOSED, closed=NOW - 60), Reopen(), "desk.not_closed"),
    ],
)
def test_an_event_that_the_state_does_not_know_is_refused_with_a_reason(before: Case, event: Event, key: str) -> None:
    with pytest.raises(NotPossible) as refused:
        step(before, event, NOW)
    assert refused.value.key == key


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_a_case_has_a_holder_exactly_while_it_is_held_or_put_aside_and_no_version_stands_for_two_owners(
    events: list[Event],
) -> None:
    now = case(BOT)
    owners = {now.version: (now.owner, now.holder)}
    for event in events:
        try:
            now = step(now, event, NOW)
        except NotPossible:
            continue
        assert bool(now.holder) == (now.owner in (HELD, SNOOZED))
        assert owners.setdefault(now.version, (now.owner, now.holder)) == (now.owner, now.holder)
