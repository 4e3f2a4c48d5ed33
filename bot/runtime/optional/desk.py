"""The support desk of a bot, with the setting DESK. Without it nothing of `bot/desk` is imported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.access.policy import Actor, Role
from bot.conversation.assistant import Assistant
from bot.conversation.turn_state import Ownership
from bot.dispatch.pipeline import Layer
from bot.feature import Feature
from bot.runtime.parts import Given, Ground
from bot.storage.store import Tx
from bot.types import Incoming

if TYPE_CHECKING:
    from bot.desk.desk import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskParts:
    """What the desk adds to a bot: layers before the router, features, and what reads the connected groups."""

    layers: Sequence[Layer] = ()
    features: Sequence[Feature] = ()
    load: Callable[[], Awaitable[None]] | None = None


def desk_of(given: Given) -> Desk | None:
    """The cases of the bot; None without DESK."""
    if given.settings.desk is None:
        return None
    from bot.desk.desk import Desk

    return Desk(given.api.id)


def ownership(ground: Ground) -> Ownership | None:
    """Who answers in a conversation; None without DESK: always the bot."""
    if ground.desk is None:
        return None
    from bot.desk.ownership import CaseOwnership

    return CaseOwnership(desk=ground.desk, send=ground.people.joining.deliver)


def missed(ground: Ground) -> Callable[[Tx, Incoming], None] | None:
    """What counts the messages that a customer writes too fast; None without DESK."""
    if ground.desk is None:
        return None
    from bot.desk.missed import note_missed

    return note_missed


def desk_parts(given: Given, ground: Ground, assistant: Assistant) -> DeskParts:
    """The layer and the features of the desk; none without DESK."""
    if ground.desk is None:
        return DeskParts()
    from bot.desk.customers import Customers
    from bot.desk.groups import DeskGroups
    from bot.desk.layer import DeskLayer
    from bot.desk.missed import MissedMessages
    from bot.desk.operators import Operators
    from bot.desk.rating import Rating

    store, desk, telegram, send = given.store, ground.desk, ground.telegram, ground.people.joining.deliver
    access, rating = ground.people.access, Rating(store=store, desk=desk, send=send)
    customers = Customers(
        store=store,
        desk=desk,
        send=send,
        groups=telegram.attends,
        react=telegram.react,
        rating=rating,
        serves=lambda user: access.role(Actor(user, private=True)) >= Role.OPERATOR,
    )
    operators = Operators(
        store=store,
        desk=desk,
        access=access,
        send=send,
        stop=assistant.writer.stop,
        react=telegram.react,
        wake_jobs=ground.wake_jobs,
    )
    late = MissedMessages(store=store, desk=desk, send=send)
    groups = DeskGroups(
        store=store,
        desk=desk,
        groups=telegram.attends,
        missing_rights=telegram.missing_rights,
        delete_topic=telegram.delete_topic,
        send=send,
    )
    return DeskParts(
        layers=[DeskLayer(groups=telegram.attends, customers=customers, operators=operators)],
        features=[customers.feature(), operators.feature(), groups.feature(), rating.feature(), late.feature()],
        load=groups.load,
    )
