"""Rows of one table: what is added is found, changed and removed, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import FrozenInstanceError, replace
from typing import TypeVar

import pytest
from sqlalchemy import bindparam
from sqlalchemy.exc import DBAPIError, MultipleResultsFound

from bot.clock import SystemClock
from bot.storage.rows import Query
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import CLOSED, HELD, NEWEST_CASE, OPEN_CASE, Case, OperatorDuty, Seat
from bot.types import Address

T = TypeVar("T")
ANNA, BORIS = Address("telegram", 42, 1001), Address("telegram", 42, 1002, 5, "bc1", 7)
CASE = Case(address=ANNA, user=1001, name="Anna", language="en")
DUTY = OperatorDuty(bot=42, user=7, team="support", is_on=True)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with Store.open(database_url, SystemClock()) as opened:
        yield opened


async def test_what_was_added_is_found_by_its_fields_its_address_and_a_query(store: Store) -> None:
    def work(tx: Tx) -> tuple[Case, Case]:
        return tx.add(CASE), tx.add(replace(CASE, address=BORIS, name="Boris", owner=HELD))

    anna, boris = await store.write(work)
    assert anna.id != boris.id
    assert await store.read(lambda tx: tx.one(Case, id=anna.id)) == anna
    assert await store.read(lambda tx: tx.one(OPEN_CASE, address=BORIS)) == boris
    assert await store.read(lambda tx: tx.all(NEWEST_CASE, bot=42, owner=("bot", HELD))) == [boris, anna]
    assert await store.read(lambda tx: tx.all(NEWEST_CASE, limit=1, bot=42)) == [boris]
    assert await store.read(lambda tx: tx.all(Case, bot=42, owner=())) == []
    after = Query(Case, Case.id > bindparam("after"))
    assert await store.read(lambda tx: tx.all(after, bot=42, after=anna.id)) == [boris]
    assert await store.read(lambda tx: tx.all(Query(Case, Case.id > anna.id))) == [boris]
    assert await store.read(lambda tx: (tx.count(Case, bot=42), tx.count(Case, name="Olga"))) == (2, 0)


async def test_a_row_is_changed_by_its_key_and_others_by_what_they_have(store: Store) -> None:
    anna = await store.write(lambda tx: tx.add(CASE))
    changed = await store.write(lambda tx: tx.change(anna, owner=CLOSED, open=None))
    assert changed == replace(anna, owner=CLOSED, open=None)
    assert await store.read(lambda tx: tx.one(Case, open=None)) == changed
    assert await store.read(lambda tx: tx.one(OPEN_CASE, address=ANNA)) is None
    assert await store.write(lambda tx: tx.change_all(Case, {"name": "", "address": BORIS}, address=ANNA)) == 1
    assert await store.read(lambda tx: tx.one(Case)) == replace(changed, name="", address=BORIS)
    assert await store.write(lambda tx: tx.change_all(Case, {"id": 98}, id=[anna.id])) == 1
    assert await store.write(lambda tx: tx.remove(Case, id=[98, 99])) == 1


async def test_a_row_is_put_over_the_one_with_its_key_but_for_what_is_kept(store: Store) -> None:
    await store.write(lambda tx: tx.put(replace(DUTY, assigned=5.0)))
    await store.write(lambda tx: tx.put(replace(DUTY, is_on=False), keep=["assigned"]))
    assert await store.read(lambda tx: tx.one(OperatorDuty, user=7)) == replace(DUTY, is_on=False, assigned=5.0)
    assert await store.read(lambda tx: tx.count(OperatorDuty, is_on=False)) == 1


async def test_a_row_that_is_there_is_not_added_again(store: Store) -> None:
    seat = Seat(customer=ANNA, place=1, topic=3, title="Anna")
    found = await store.write(lambda tx: (tx.add_missing(seat), tx.add_missing(seat)))
    assert found == (True, False)
    with pytest.raises(DBAPIError, match=r"(?i)unique"):
        await store.write(lambda tx: tx.add(seat))


async def test_many_rows_are_added_at_once(store: Store) -> None:
    rows = [replace(DUTY, user=user) for user in range(3)]
    await store.write(lambda tx: tx.add_all(rows))
    await store.write(lambda tx: tx.add_all([]))
    assert await store.read(lambda tx: tx.all(Query(OperatorDuty, order=[OperatorDuty.user]))) == rows


@pytest.mark.parametrize(
    ("work", "error", "words"),
    [
        (lambda tx: tx.all(Case, nmae="Anna"), TypeError, "Case has no nmae"),
        (lambda tx: tx.one(OperatorDuty, bot=42), MultipleResultsFound, "one OperatorDuty is expected"),
        (lambda tx: tx.change_all(OperatorDuty, {"nix": 1}), TypeError, "OperatorDuty has no nix"),
    ],
)
async def test_a_mistake_is_told(
    store: Store, work: Callable[[Tx], object], error: type[Exception], words: str
) -> None:
    await store.write(lambda tx: tx.add_all([DUTY, replace(DUTY, user=8)]))
    with pytest.raises(error, match=words):
        await store.write(work)


async def test_an_error_of_the_database_says_no_value_of_a_row(store: Store) -> None:
    seat = Seat(customer=ANNA, place=1, topic=3, title="a secret of Anna")
    await store.write(lambda tx: tx.add(seat))
    with pytest.raises(DBAPIError) as caught:
        await store.write(lambda tx: tx.add(seat))
    assert "secret" not in f"{caught.value!s} {caught.value.orig}"
    assert await store.read(lambda tx: tx.count(Seat)) == 1


def test_a_row_is_a_value() -> None:
    with pytest.raises(FrozenInstanceError):
        DUTY.team = "sales"
    with pytest.raises(TypeError, match="team"):
        OperatorDuty(bot=42, user=7, is_on=True)  # type: ignore[call-arg]
    assert {DUTY, replace(DUTY)} == {DUTY}
    assert "team='support'" in repr(DUTY)
