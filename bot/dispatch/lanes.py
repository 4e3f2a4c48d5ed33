"""The updates that wait in this process: one lane (a queue) a conversation.

`conversation_queue.py` handles them. The throttle counts them, /forget looks for a user's messages among them, and the
buttons of the queue notice drop messages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bot.ports import Reply
from bot.types import Address, Incoming, Kind

AT_ONCE = (Kind.STOP, Kind.BLOCKED, Kind.UNBLOCKED)  # these never wait
TOUCHES = (Kind.BUTTON, Kind.REACTION)  # what users do to the bot's own messages
TOUCHED = "#button"  # suffix of the lane for presses and reactions, which do not wait for an answer
OTHERS = "#other"  # suffix of the lane for updates that only third-party handlers know
Lane = deque[tuple[Incoming, Reply]]


@dataclass(slots=True)
class Lanes:
    """The lanes by their keys (`lane_of`). The head of a lane is being handled; an empty lane is removed.

    After a chat got a new id, two keys lead to one lane. `beside` counts updates that are handled without a lane.
    """

    by_key: dict[str, Lane] = field(default_factory=dict)
    beside: int = 0

    @property
    def size(self) -> int:
        """How many updates wait or are being handled."""
        return sum({id(lane): len(lane) for lane in self.by_key.values()}.values()) + self.beside

    def ahead_of(self, incoming: Incoming) -> int:
        """How many updates would be handled before this one; 0 for an update that does not wait."""
        lane = self.by_key.get(lane_of(incoming), ())
        amends = incoming.kind is Kind.EDIT and any(one.message_id == incoming.message_id for one, _ in lane)
        return 0 if amends or incoming.kind in AT_ONCE else len(lane)

    def waits(self, incoming: Incoming) -> bool:
        """Whether this update waits in its lane behind another one."""
        lane = self.by_key.get(lane_of(incoming), ())
        return any(one is incoming for one, _ in list(lane)[1:])

    def drop(self, address: Address, user: int) -> Sequence[Incoming]:
        """Remove and return the messages of a user that wait in a conversation; the caller ends their turns."""
        lane: Lane = self.by_key.get(address.key, deque())
        dropped = [one for one, _ in list(lane)[1:] if one.user.id == user and one.kind is Kind.MESSAGE]
        for item in [item for item in lane if item[0] in dropped]:
            lane.remove(item)
        return dropped

    def works_for(self, user: int) -> bool:
        """Whether a message of this user waits or is being handled; presses don't count."""
        said = (incoming for key, lane in self.by_key.items() if not key.endswith(TOUCHED) for incoming, _ in lane)
        return any(incoming.user.id == user for incoming in said)

    def heads(self) -> list[tuple[str, list[int]]]:
        """Return for each lane the id of the turn at its head, and the ids of all inbox rows in it, the head's too."""
        open_lanes = [lane for lane in self.by_key.values() if lane]
        return [(lane[0][0].id, [row for incoming, _ in lane for row in incoming.ids]) for lane in open_lanes]

    def amend(self, edit: Incoming) -> bool:
        """Give a question that still waits the text of its edit. False: no such question waits."""
        lane = self.by_key.get(lane_of(edit), deque())
        for index in range(1, len(lane)):
            waiting, reply = lane[index]
            if waiting.message_id == edit.message_id:
                lane[index] = (
                    replace(waiting, text=edit.text, entities=edit.entities, ids=(*waiting.ids, *edit.ids)),
                    reply,
                )
                return True
        return False

    def keep_heads(self) -> None:
        """Remove everything that waits. The inbox rows stay open, so the next process works on them."""
        for lane in self.by_key.values():
            while len(lane) > 1:
                lane.pop()

    def remove(self, lane: Lane) -> None:
        """Remove a lane under all its keys."""
        for key in [key for key, one in self.by_key.items() if one is lane]:
            del self.by_key[key]


def lane_of(incoming: Incoming) -> str:
    """The key of an update's lane: its conversation's, or the one beside for presses or third-party updates."""
    if incoming.kind is Kind.UNHANDLED:
        return incoming.address.key + OTHERS
    beside = incoming.kind in TOUCHES and not incoming.in_turn
    return incoming.address.key + (TOUCHED if beside else "")
