"""Composes the support desk of a bot, if the setting DESK names its folder. Without DESK no module of `bot/desk` is
imported.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from bot.access.policy import Actor, Decision, Role
from bot.conversation.assistant import Assistant
from bot.conversation.helper_model import HelperModel
from bot.conversation.turn_state import Ownership
from bot.dispatch.pipeline import Layer
from bot.dispatch.throttle import MissedNotes
from bot.feature import Feature
from bot.handlers import Handlers
from bot.runtime.parts import Given, Ground
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import CASES_BY_WAIT
from bot.tools.tool import Tool
from bot.types import Address, Incoming, Permission

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from bot.desk.assistance.purse import Purse
    from bot.desk.desk import Desk
    from bot.desk.mirror import Mirror
    from bot.desk.team.operators import Operators


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskParts:
    """What the support desk adds to a bot: layers before the router, features, a function that loads the connected
    groups (`load`), and tasks that run in exactly one process of the bot (`led`).
    """

    layers: Sequence[Layer] = ()
    features: Sequence[Handlers] = ()
    load: Callable[[], Awaitable[None]] | None = None
    led: Mapping[str, Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=dict)


def desk_of(given: Given) -> Desk | None:
    """Return the support desk of the bot; None without DESK."""
    if given.settings.desk is None:
        return None
    from bot.desk.availability import Availability
    from bot.desk.desk import LINES, SUMMARY, Desk
    from bot.desk.policy.desk_file import DeskFile

    added, hours = given.added.desk, Availability(DeskFile(given.settings.desk))
    at_call, at_close = [SUMMARY, *([LINES] if added.lines else [])], list[str]()
    if given.settings.knowledge != "off":
        from bot.desk.assistance.lessons import LESSON, UNANSWERED

        at_call, at_close = [*at_call, UNANSWERED], [LESSON]
    return Desk(given.api.id, hours, rules=added.rules, at_call=at_call, at_close=at_close)


def ownership(ground: Ground) -> Ownership | None:
    """Return the part that says who answers in a conversation, the bot or a person; None without DESK:
    always the bot.
    """
    if ground.desk is None:
        return None
    from bot.desk.ownership import CaseOwnership

    return CaseOwnership(desk=ground.desk, send=ground.people.joining.deliver)


def missed(ground: Ground) -> MissedNotes | None:
    """Return the part that counts messages which a customer wrote too fast to be taken; None without DESK."""
    if ground.desk is None:
        return None
    from bot.desk.missed import note_missed

    return MissedNotes(note_missed, ground.wake_jobs)


def desk_tools(given: Given, ground: Ground) -> Sequence[Tool]:
    """Return the tool with which a model calls a person; no tool without DESK."""
    if ground.desk is None:
        return ()
    from bot.desk.model.hand_over import hand_over_tool

    return [hand_over_tool(given.store, ground.desk, partial(_send, ground))]


def desk_parts(given: Given, ground: Ground, assistant: Assistant) -> DeskParts:
    """Return the layers and the features of the support desk; none of them without DESK."""
    if ground.desk is None:
        return DeskParts(load=partial(_warn, given))
    from bot.desk.customers import Customers
    from bot.desk.group_calls import GroupCalls
    from bot.desk.layer import DeskLayer
    from bot.desk.mirror import Mirror
    from bot.desk.missed import MissedMessages
    from bot.desk.rating import Rating
    from bot.desk.team.groups import DeskGroups
    from bot.desk.team.own_seats import OwnSeats
    from bot.desk.watch import DeskWatch

    store, desk, telegram, send = given.store, ground.desk, ground.telegram, partial(_send, ground)
    telegram.has_desk = True
    rights, serves = ground.people.joining.rights, partial(_serves, ground)
    rating, mirror = Rating(store=store, desk=desk, deliver=send, wake_jobs=ground.wake_jobs), Mirror(desk)

    customers = Customers(
        store=store,
        mirror=mirror,
        send=send,
        in_groups=GroupCalls(store=store, desk=desk, groups=telegram.attends, link=telegram.link, send=send),
        react=telegram.react,
        rating=rating,
        serves=serves,
    )
    operators = _operators(given, ground, assistant, mirror)
    late = MissedMessages(store=store, desk=desk, deliver=send, wake_jobs=ground.wake_jobs)
    groups = DeskGroups(
        store=store,
        desk=desk,
        groups=telegram.attends,
        missing_rights=telegram.missing_rights,
        delete_topic=telegram.delete_topic,
        purse=_purse(given, ground, desk),
        send=send,
    )
    own_seats = OwnSeats(store=store, mirror=mirror, serves=serves, send=send)
    watch = DeskWatch(
        store=store, desk=desk, rights=rights, send=send, serves=serves, keep_days=given.settings.desk_keep_days
    )
    parts = (customers, operators, groups, rating, late, own_seats)
    team = [part.feature() for part in _team(ground, desk, store)]
    return DeskParts(
        layers=[DeskLayer(groups=telegram.attends, own_seats=own_seats, customers=customers, operators=operators)],
        features=[*(part.feature() for part in parts), *team, *_beside(given, ground, assistant, mirror)],
        load=groups.load,
        led={"desk": watch.run},
    )


def _serves(ground: Ground, user: int) -> bool:
    """Whether a user may answer customers."""
    return ground.people.access.role(Actor(user, private=True)) >= Role.OPERATOR


def _send(ground: Ground, turn: str, places: Sequence[Address]) -> None:
    """Deliver in the background what a turn of the desk has left in the outbox, and begin the jobs that it added."""
    ground.people.joining.deliver(turn, places)
    ground.wake_jobs()


def _team(ground: Ground, desk: Desk, store: Store) -> Sequence[Feature]:
    """What the desk does for its operators by itself."""
    from bot.desk.team.assignment import Assignment
    from bot.desk.team.bans import Bans
    from bot.desk.team.board import Board

    people, wake_jobs = ground.people, ground.wake_jobs
    deliver = people.joining.deliver
    return [
        Assignment(store=store, desk=desk, serves=partial(_serves, ground), deliver=deliver, wake_jobs=wake_jobs),
        Board(store=store, desk=desk, deliver=deliver, wake_jobs=wake_jobs),
        Bans(
            store=people.directory,
            desk=desk,
            rights=people.joining.rights,
            access=people.access,
            deliver=deliver,
            wake_jobs=wake_jobs,
        ),
    ]


def _beside(given: Given, ground: Ground, assistant: Assistant, mirror: Mirror) -> Sequence[Handlers]:
    """What stands beside the cases: other programs, models, chats of people's accounts."""
    desk, send = mirror.desk, partial(_send, ground)
    models, accounts = _model(given, ground, assistant, mirror), _accounts(given, ground, assistant, desk)
    return [*_outside(given, desk, send), *models, *accounts, *_lessons(ground, desk)]


def _lessons(ground: Ground, desk: Desk) -> Sequence[Handlers]:
    """What the knowledge base learns from cases; nothing with KNOWLEDGE=off."""
    if ground.knowledge is None:
        return ()
    from bot.desk.assistance.lessons import CaseLessons
    from bot.runtime.knowledge import learned_entries

    lessons = CaseLessons(desk=desk, entries=learned_entries(ground.knowledge, ground), access=ground.people.access)
    return [lessons.feature()]


def _outside(given: Given, desk: Desk, send: Callable[[str, Sequence[Address]], None]) -> Sequence[Handlers]:
    """A programmer's lines on cards, and webhooks."""
    from bot.desk.outside.card_lines import CardLines
    from bot.desk.outside.hooks import Hooks

    lines = CardLines(store=given.store, desk=desk, functions=given.added.desk.lines, send=send)
    hooks = Hooks(store=given.store, desk=desk, http=given.process.http, secret=given.settings.desk_hook_secret)
    return [lines.feature(), hooks.feature()]


async def _warn(given: Given) -> None:
    """Say in the log that cases were left open when the desk was switched off: nobody answers there."""
    if count := await given.store.read(
        lambda tx: len(tx.all(CASES_BY_WAIT, bot=given.api.id, owner=("waiting", "held", "snoozed")))
    ):
        log.warning("the support desk has open cases (%d): set DESK again, or stop and run: govorun desk drain", count)


def _operators(given: Given, ground: Ground, assistant: Assistant, mirror: Mirror) -> Operators:
    """The operators' side, and their commands."""
    from bot.desk.policy.canned import CannedAnswers
    from bot.desk.team.operator_commands import Words
    from bot.desk.team.operators import Operators

    rights, bot = ground.people.joining.rights, given.api.id
    canned, topics = CannedAnswers(mirror.desk.hours.file.folder), assistant.turn_start.topics

    def colleagues(tx: Tx) -> Mapping[int, str]:
        """The operators who have ever written, by their ids."""
        return tx.members.read_names(bot, rights.with_role(tx, bot, Role.OPERATOR))

    def is_admin(incoming: Incoming) -> bool:
        """Whether an administrator has written a message in person."""
        return ground.people.access.authorize(Actor.of(incoming), Permission.CONNECT) is Decision.ALLOWED

    return Operators(
        store=given.store,
        words=Words(mirror=mirror, colleagues=colleagues, canned=canned, is_admin=is_admin, topics=topics),
        access=ground.people.access,
        send=partial(_send, ground),
        stop=assistant.writer.stop,
        react=ground.telegram.react,
    )


def _model(given: Given, ground: Ground, assistant: Assistant, mirror: Mirror) -> Sequence[Handlers]:
    """The models beside the operator: drafts, summaries, translation."""
    from bot.desk.model.drafts import Drafts
    from bot.desk.model.translation import Translation

    cheap, purse = given.models.helper, _purse(given, ground, mirror.desk)
    helper, send = HelperModel(store=given.store, model=cheap, budget=purse), partial(_send, ground)
    drafts = Drafts(
        store=given.store,
        mirror=mirror,
        assistant=assistant,
        helper=helper,
        purse=purse,
        send=ground.people.joining.deliver,
        wake_jobs=ground.wake_jobs,
    )
    translation = Translation(store=given.store, mirror=mirror, helper=helper, purse=purse, send=send)
    return [drafts.feature(), translation.feature()]


def _accounts(given: Given, ground: Ground, assistant: Assistant, desk: Desk) -> Sequence[Handlers]:
    """Return the features for chats of people's accounts (Telegram Business); none without [business] in desk.toml."""
    if desk.table.business is None:
        return ()
    from bot.desk.business.answers import AccountAnswers
    from bot.desk.business.chats import AccountChats

    send, purse = partial(_send, ground), _purse(given, ground, desk)
    ground.telegram.has_accounts = True

    chats = AccountChats(store=given.store, desk=desk, serves=partial(_serves, ground), send=send)
    answers = AccountAnswers(store=given.store, desk=desk, assistant=assistant, purse=purse, send=send)
    return [chats.feature(), answers.feature()]


def _purse(given: Given, ground: Ground, desk: Desk) -> Purse:
    """What pays for the models beside the operators."""
    from bot.desk.assistance.purse import Purse

    return Purse(file=desk.hours.file, currency=given.settings.currency, whole=ground.people.budget)
