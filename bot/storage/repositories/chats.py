"""Users and chats: who wrote, and what was chosen where."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import and_, bindparam, exists, false, func, or_, select, update

from bot.storage.engines.dialects import insert
from bot.storage.repositories.mapping import Subject
from bot.storage.tables.history import Blob, Conversation, Feedback, Message
from bot.storage.tables.people import Chat, User
from bot.storage.tables.spending import Reservation, Spending, UsageRow
from bot.storage.tables.work import Awaited, ButtonRow, Delivery, Job, Operation
from bot.types import Address, ChatChoices
from bot.types import User as Person

SEEN_USER = insert(User).on_conflict_do_nothing()
SEEN_CHAT = insert(Chat).on_conflict_do_nothing()
CHOICES = (
    select(
        Chat.language, Chat.model, Chat.streaming, Chat.persona, Chat.reasoning, User.model.label("own_model"),
        Chat.notices, User.timezone.label("zone"),
    )
    .join(User, and_(User.bot == Chat.bot, User.id == bindparam("u")), isouter=True)
    .where(Chat.bot == bindparam("b"), Chat.id == bindparam("c"))
)  # fmt: skip
BACK = update(Chat).where(Chat.bot == bindparam("b"), Chat.id == bindparam("c"), Chat.is_gone).values(is_gone=False)
IS_GONE = select(Chat.is_gone).where(Chat.bot == bindparam("b"), Chat.id == bindparam("c"))
THERE = Spending.__table__.alias()


MOVED = (Conversation, Message, Delivery, Operation, Job, UsageRow, ButtonRow, Reservation, Blob, Feedback)


class Chats(Subject):
    def seen(self, address: Address, user: Person, *, private: bool) -> None:
        """Remember who wrote where, once."""
        now = self.clock.time()
        chat = {
            "bot": address.bot, "id": address.chat, "is_private": private, "is_gone": False,
            "language": "", "model": "", "streaming": "", "persona": "", "reasoning": "", "notices": "",
            "first_seen": now,
        }  # fmt: skip
        self.connection.execute(SEEN_CHAT, chat)
        person = {"bot": address.bot, "id": user.id, "name": user.name[:256], "language": user.language[:16]}
        self.connection.execute(SEEN_USER, {**person, "first_seen": now})

    def meet(self, address: Address, user: Person, *, private: bool) -> ChatChoices:
        """Remember who wrote where, once; what was chosen there. Whom it knows already it asks for only."""
        row = self._choices(address, user.id)
        if row is not None and row.own_model is not None:
            return _chosen(row)
        self.seen(address, user, private=private)
        return self.choices(address, user.id)

    def choices(self, address: Address, user: int = 0) -> ChatChoices:
        return _chosen(self._choices(address, user))

    def _choices(self, address: Address, user: int) -> Any:
        """`own_model` is None for somebody who was never seen."""
        return self.connection.execute(CHOICES, {"b": address.bot, "c": address.chat, "u": user}).one_or_none()

    def language(self, bot: int, user: int) -> str:
        """What somebody chose in the own chat with the bot, or has in Telegram; "" where that was never seen."""
        chosen = select(Chat.language).where(Chat.bot == bot, Chat.id == user)
        told = select(User.language).where(User.bot == bot, User.id == user)
        return self.connection.scalar(chosen) or self.connection.scalar(told) or ""

    def zone(self, bot: int, user: int) -> str:
        """The time zone that a user told (IANA name), "" for none."""
        query = select(User.timezone).where(User.bot == bot, User.id == user)
        return self.connection.execute(query).scalar_one_or_none() or ""

    def choose(self, address: Address, **choice: str) -> None:
        self._set(address.bot, address.chat, **choice)

    def prefer(self, bot: int, user: int, model: str) -> None:
        """A model of a user's own, for every chat that has not chosen one."""
        self.connection.execute(update(User).where(User.bot == bot, User.id == user).values(model=model))

    def drop(self, address: Address, user: int, models: Collection[str]) -> None:
        """Forget choices that can't be kept any more."""
        here = (Chat.bot == address.bot, Chat.id == address.chat, Chat.model.in_(models))
        self.connection.execute(update(Chat).where(*here).values(model=""))
        own = (User.bot == address.bot, User.id == user, User.model.in_(models))
        self.connection.execute(update(User).where(*own).values(model=""))

    def mirrors(self, address: Address) -> bool:
        """Whether voice is answered with voice there."""
        query = select(Chat.mirrors).where(Chat.bot == address.bot, Chat.id == address.chat)
        return bool(self.connection.execute(query).scalar_one_or_none())

    def mirror(self, address: Address, *, on: bool) -> None:
        self._set(address.bot, address.chat, mirrors=on)

    def gone(self, bot: int, chat: int, *, gone: bool) -> None:
        self._set(bot, chat, is_gone=gone)

    def alone(self, address: Address) -> None:
        """Decide before or after all others in the chat: its row is changed into what it is. See
        `storage/engines/postgres.py`.
        """
        self._set(address.bot, address.chat, first_seen=Chat.first_seen)

    def back(self, address: Address) -> None:
        """Somebody spoke there: the chat can be reached, whatever a refusal said before."""
        self.connection.execute(BACK, {"b": address.bot, "c": address.chat})

    def is_gone(self, address: Address) -> bool:
        return bool(self.connection.execute(IS_GONE, {"b": address.bot, "c": address.chat}).scalar_one_or_none())

    def move(self, bot: int, old: int, new: int) -> None:
        """A group became a supergroup: the same chat under a new id, in every table."""
        self.queue.tell(f"roll:{bot}")  # a group that was let in is let in under its new id
        self.queue.chat(bot, f"/{new}")  # what waits there is delivered by who has the new one
        target = self.connection.execute(select(Chat.id).where(Chat.bot == bot, Chat.id == new)).first()
        if target is None:
            self.connection.execute(update(Chat).where(Chat.bot == bot, Chat.id == old).values(id=new))
        else:
            allowed = select(Chat.is_allowed).where(Chat.bot == bot, Chat.id == old)
            self._set(bot, new, is_allowed=or_(Chat.is_allowed, func.coalesce(allowed.scalar_subquery(), false())))
        for table in MOVED:
            self.connection.execute(update(table).where(table.bot == bot, table.chat == old).values(chat=new))
        moved = (Spending.bot == bot, Spending.scope == "chat", Spending.subject == old)
        there = exists().where(
            THERE.c.bot == bot, THERE.c.day == Spending.day, THERE.c.kind == Spending.kind, THERE.c.scope == "chat",
            THERE.c.subject == new,
        )  # fmt: skip
        self.connection.execute(update(Spending).where(*moved, ~there).values(subject=new))
        here = Awaited.key.like(f"{bot}/%/{old}/%")
        self.connection.execute(update(Awaited).where(Awaited.bot == bot, here).values(expires=0.0))

    def _set(self, bot: int, chat: int, **values: Any) -> None:
        self.connection.execute(update(Chat).where(Chat.bot == bot, Chat.id == chat).values(**values))


def _chosen(row: Any) -> ChatChoices:
    return ChatChoices(**{name: value or "" for name, value in row._mapping.items()}) if row else ChatChoices()
