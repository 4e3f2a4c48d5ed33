"""What chats decide together: whichever processes decide it at the same moment, it comes out as if one had."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import pytest

from bot.access.policy import Access, Role
from bot.access.rights import Rights
from bot.clock import SystemClock
from bot.errors import NotAllowed
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.repositories.money.budgets import BOT, Caps
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import NEWEST_SEATS
from bot.storage.tables.people import GOOD_INVITATIONS, Asked, Invitation
from bot.storage.tables.work import Operation
from bot.types import Address, Incoming, Job, Kind, Outgoing, Text, User

T = TypeVar("T")
WHERE = Address("telegram", 42, 1001)
ELSEWHERE = Address("telegram", 42, 1002)
OWNER = 1001  # by the settings
RIGHTS = Rights(Access(owners=frozenset({OWNER})))
SOON = 0.3  # seconds in which two works that may be under way together meet


@pytest.fixture
async def both(database_url: str) -> AsyncIterator[list[Store]]:
    """Two processes where there can be two."""
    async with Store.open(database_url, SystemClock()) as one:
        if not database_url.startswith("postgresql"):
            yield [one, one]
            return
        async with Store.open(database_url, SystemClock()) as other:
            yield [one, other]


async def together(both: list[Store], *works: Callable[[Tx], T], guard: DecisionLock | None = None) -> list[T]:
    """Each work in a process of its own; none commits before the others have decided, unless they can't meanwhile."""
    decided = threading.Barrier(len(works))

    def meeting(work: Callable[[Tx], T]) -> Callable[[Tx], T]:
        def run(tx: Tx) -> T:
            result = work(tx)
            with suppress(threading.BrokenBarrierError):
                decided.wait(SOON)
            return result

        return run

    return await asyncio.gather(*(store.write(meeting(work), guard) for store, work in zip(both, works, strict=True)))


@pytest.mark.parametrize("guard", [None, DecisionLock.SPENDING])
async def test_two_answers_at_once_do_not_overrun_a_budget(both: list[Store], guard: DecisionLock | None) -> None:
    def holding(where: Address) -> Callable[[Tx], int | None]:
        return lambda tx: tx.budgets.reserve("tokens", 60, where, where.chat, Caps(bot=100))

    held = await together(both, holding(WHERE), holding(ELSEWHERE), guard=guard)
    assert sorted(number is None for number in held) == [False, True]


async def test_what_two_answers_have_cost_is_added_up(both: list[Store]) -> None:
    def hold(tx: Tx) -> list[int | None]:
        return [tx.budgets.reserve("tokens", 60, where, 7, Caps(bot=1000)) for where in (WHERE, ELSEWHERE)]

    first, second = await both[0].write(hold)
    assert first is not None
    assert second is not None
    await together(
        both, lambda tx: tx.budgets.settle_reservation(first, 30), lambda tx: tx.budgets.settle_reservation(second, 40)
    )
    assert await both[0].read(lambda tx: tx.budgets.read_spent("tokens", 42, BOT)) == 70


async def test_a_reservation_is_settled_once(both: list[Store]) -> None:
    held = await both[0].write(lambda tx: tx.budgets.reserve("tokens", 60, WHERE, 7, Caps(bot=1000)))
    assert held is not None
    await together(
        both, lambda tx: tx.budgets.settle_reservation(held, 30), lambda tx: tx.budgets.settle_reservation(held)
    )
    assert await both[0].read(lambda tx: tx.budgets.read_spent("tokens", 42, BOT)) in (30, 60)


def link(tx: Tx, role: Role, by: int) -> Invitation:
    """A link for one user."""
    now = tx.clock.time()
    return Invitation(bot=42, code="a-hash", role=role.word, uses=1, expires=now + 60, by=by, at=now)


async def test_an_invitation_lets_in_as_many_as_it_says(both: list[Store]) -> None:
    def enter(user: int) -> Callable[[Tx], bool]:
        def work(tx: Tx) -> bool:
            found = tx.one(GOOD_INVITATIONS, bot=42, code="a-hash", now=tx.clock.time())
            if found is not None:
                tx.members.use_invitation(found.id)
                tx.members.store_member(42, user, found.role, found.by)
            return found is not None

        return work

    def invite(tx: Tx) -> int:
        return tx.members.add_invitation(link(tx, Role.USER, 1)).id

    await both[0].write(invite)
    assert sorted(await together(both, enter(7), enter(8))) == [False, True]
    assert len(await both[0].read(lambda tx: tx.members.list_members(42))) == 1


async def test_cases_that_people_are_called_for_at_once_get_numbers_one_after_the_other(both: list[Store]) -> None:
    def calling(where: Address) -> Callable[[Tx], int]:
        def work(tx: Tx) -> int:
            case = tx.cases.open_case(where, where.chat, "Ann", "en")
            after = tx.cases.numbered(replace(case, owner="waiting"))
            assert tx.cases.store_case(case, after)
            return after.number

        return work

    assert sorted(await together(both, calling(WHERE), calling(ELSEWHERE))) == [1, 2]
    assert await both[0].write(calling(replace(WHERE, bot=43))) == 1
    assert await both[1].write(calling(replace(WHERE, chat=1003))) == 3


def invited_by(user: int, role: Role) -> Callable[[Tx], int]:
    return lambda tx: tx.members.add_invitation(link(tx, role, user)).id


def lowering(admin: int, user: int, new: Role) -> Callable[[Tx], bool]:
    """An admin gives somebody a role, where that is allowed at that moment."""

    def work(tx: Tx) -> bool:
        where, acting = Address("telegram", 42, admin), User(admin, language="en")
        try:
            RIGHTS.change_role(tx, Incoming(f"{admin}", where, acting, Kind.BUTTON), user, new)
        except NotAllowed:
            return False
        return True

    return work


def entering(user: int) -> Callable[[Tx], Role | None]:
    return lambda tx: RIGHTS.use_link(tx, 42, user, "a-hash")


def roles(tx: Tx) -> dict[int, str]:
    return {member.user: member.role for member in tx.members.list_members(42)}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("new", [Role.STRANGER, Role.USER, Role.ADMIN, Role.BLOCKED])
async def test_a_link_is_used_before_its_maker_falls_or_not_at_all(both: list[Store], new: Role, order: int) -> None:
    await both[0].write(lambda tx: tx.members.store_member(42, 7, Role.OWNER.word, OWNER))
    await both[0].write(invited_by(7, Role.ADMIN))
    works = [entering(8), lowering(OWNER, 7, new)]
    results = await together(both, *works[::order])
    let_in, lowered = results[::order]
    assert lowered
    (entry,) = [entry for entry in await both[0].read(lambda tx: tx.audit.list_newest(42, 9)) if entry.action == "role"]
    assert (let_in, entry.details.get("links", 0)) in {(Role.ADMIN, 0), (None, 1)}
    found = await both[0].read(roles)
    assert found.get(8) == (Role.ADMIN.word if let_in else None)
    assert found.get(7) == (None if new is Role.STRANGER else new.word)
    assert await both[0].write(entering(9)) is None


@pytest.mark.parametrize("new", [Role.STRANGER, Role.USER, Role.ADMIN, Role.BLOCKED])
async def test_nobody_keeps_a_role_by_an_own_link_that_is_used_while_it_is_taken(both: list[Store], new: Role) -> None:
    await both[0].write(lambda tx: tx.members.store_member(42, 7, Role.OWNER.word, OWNER))
    await both[0].write(invited_by(7, Role.ADMIN))
    assert await together(both, entering(7), lowering(OWNER, 7, new)) == [None, True]
    assert await both[0].read(roles) == ({} if new is Role.STRANGER else {7: new.word})


async def test_who_is_blocked_while_a_link_lets_them_in_stays_blocked(both: list[Store]) -> None:
    await both[0].write(invited_by(OWNER, Role.OPERATOR))
    await together(both, entering(8), lowering(OWNER, 8, Role.BLOCKED))
    assert await both[0].read(roles) == {8: Role.BLOCKED.word}


async def test_of_two_owners_who_remove_each_other_one_stays(both: list[Store]) -> None:
    def two(tx: Tx) -> None:
        for owner in (7, 8):
            tx.members.store_member(42, owner, Role.OWNER.word, OWNER)

    await both[0].write(two)
    removed = await together(both, lowering(7, 8, Role.STRANGER), lowering(8, 7, Role.STRANGER))
    assert sorted(removed) == [False, True]
    assert len(await both[0].read(roles)) == 1


async def test_one_of_two_who_know_the_first_code_owns_the_bot(both: list[Store]) -> None:
    def claim(user: int) -> Callable[[Tx], bool]:
        def work(tx: Tx) -> bool:
            if tx.members.list_members(42):
                return False
            tx.members.store_member(42, user, Role.OWNER.word, 0)
            return True

        return work

    assert sorted(await together(both, claim(7), claim(8))) == [False, True]


async def test_no_more_questions_wait_for_the_admins_than_may(both: list[Store]) -> None:
    def ask(user: int) -> Callable[[Tx], bool]:
        def work(tx: Tx) -> bool:
            if tx.count(Asked, bot=42, state="open") >= 1:
                return False
            tx.members.store_request(42, user, "Anna")
            return True

        return work

    assert sorted(await together(both, ask(7), ask(8))) == [False, True]


async def test_a_question_to_the_admins_is_decided_once(both: list[Store]) -> None:
    await both[0].write(lambda tx: tx.members.store_request(42, 7, "Anna"))
    decided = await together(
        both,
        lambda tx: tx.members.decide_request(42, 7, "allowed", 1),
        lambda tx: tx.members.decide_request(42, 7, "refused", 2),
    )
    assert sorted(decided) == [False, True]


async def test_a_chat_has_no_more_of_something_than_it_may(both: list[Store]) -> None:
    def remind(key: str) -> Callable[[Tx], bool]:
        def work(tx: Tx) -> bool:
            tx.chats.serialize_decisions(WHERE)
            if tx.jobs.list_of_chat(WHERE, "reminder"):
                return False
            tx.jobs.add_job(Job("reminder", key, WHERE, {}, due=0.0))
            return True

        return work

    await both[0].write(lambda tx: tx.chats.record_seen(WHERE, User(7, "Anna", "en"), private=True))
    assert sorted(await together(both, remind("1"), remind("2"))) == [False, True]


async def test_an_update_and_a_job_are_taken_once(both: list[Store]) -> None:
    def take(tx: Tx) -> bool:
        tx.jobs.add_job(Job("reminder", "1", WHERE, {}, due=0.0))
        return tx.inbox.add_update(42, 1, "m1", "{}") is not None

    assert sorted(await together(both, take, take)) == [False, True]
    assert len(await both[0].read(lambda tx: tx.jobs.list_of_chat(WHERE, "reminder"))) == 1


async def test_what_is_cancelled_while_it_ends_is_one_of_both(both: list[Store]) -> None:
    def end(state: str) -> Callable[[Tx], bool]:
        def work(tx: Tx) -> bool:
            found = tx.one(Operation, bot=42, turn="1")
            if found is None or found.state != "asked":
                return False
            tx.change(found, state=state)
            return True

        return work

    await both[0].write(lambda tx: tx.operations.add_operation("image", "1", WHERE, 7, {}))
    assert sorted(await together(both, end("done"), end("failed"))) == [False, True]


async def test_what_is_said_at_once_in_a_conversation_goes_on_from_each_other(both: list[Store]) -> None:
    def say(turn: str) -> Callable[[Tx], int]:
        def work(tx: Tx) -> int:
            conversation = tx.messages.current_conversation(WHERE)
            return tx.messages.add_message(conversation, WHERE, turn, "user", (Text(turn),)).id

        return work

    await both[0].write(say("0"))
    await together(both, say("1"), say("2"))
    branch = await both[0].read(lambda tx: tx.messages.list_newest(tx.messages.current_conversation(WHERE), 10))
    assert sorted(said.text for said in branch) == ["0", "1", "2"]


async def test_two_bots_and_two_guards_wait_for_nobody_for_ever(both: list[Store]) -> None:
    """Each work needs both guards, and comes to them in another order."""

    def hold(tx: Tx) -> None:
        tx.budgets.reserve("tokens", 1, WHERE, 7, Caps(bot=100))

    def first(tx: Tx) -> None:
        hold(tx)
        tx.members.store_member(42, 7, Role.USER.word, 0)

    def second(tx: Tx) -> None:
        tx.members.store_member(43, 7, Role.USER.word, 0)
        tx.budgets.reserve("tokens", 1, replace(WHERE, bot=43), 7, Caps(bot=100))

    async with asyncio.timeout(60):
        await asyncio.gather(*(store.write(work) for _ in range(10) for store in both for work in (first, second)))
    assert len(await both[0].read(lambda tx: [*tx.members.list_members(42), *tx.members.list_members(43)])) == 2


async def test_what_is_added_to_a_topic_while_it_moves_is_in_the_topic_afterwards(both: list[Store]) -> None:
    seat = await both[0].write(lambda tx: tx.seats.seat_of(WHERE, -1001, "Ann"))

    def add(key: str) -> Callable[[Tx], None]:
        def work(tx: Tx) -> None:
            here = tx.all(NEWEST_SEATS, customer=WHERE)[0].address
            tx.outbox.add_answer(key, here, Outgoing("hello", keeps_place=True))

        return work

    await together(both, add("before"), lambda tx: tx.seats.move_topic(seat.address, 17))
    await together(both, add("after"), lambda tx: tx.seats.move_topic(replace(seat.address, thread=17), 0))
    found = await both[0].read(lambda tx: [tx.outbox.find_address(WHERE.bot, key) for key in ("before", "after")])
    assert [one.thread for one in found if one] == [seat.topic] * 2
