"""Users and chats: who wrote, what was chosen in a chat, what a user chose for every chat."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, and_, bindparam, exists, false, func, or_, select, update

from bot.storage.engines.prepared import Prepared, insert_or_update
from bot.storage.repositories.desk import Seats
from bot.storage.repositories.mapping import Repository
from bot.storage.tables.history import Blob, Conversation, Judgement, StoredMessage
from bot.storage.tables.knowledge import Gap
from bot.storage.tables.people import ChatTopic, KnownChat, KnownUser
from bot.storage.tables.spending import DaySpending, Expense, Reservation
from bot.storage.tables.work import AwaitedAnswer, Operation, Placed, StoredButton, StoredDelivery, StoredJob
from bot.types import Address, ChatChoices
from bot.types import User as Person

SEEN_USER = Prepared(lambda insert: insert(KnownUser.table).on_conflict_do_nothing())
SEEN_CHAT = Prepared(lambda insert: insert(KnownChat.table).on_conflict_do_nothing())
FOLLOWED = ("model", "persona", "reasoning", "temperature")  # choices of a topic, else those of its chat
OF_TOPIC = (*FOLLOWED, "answers")  # choices that a topic has of its own
CHOICES = Prepared(
    select(
        *KnownChat.table.c["language", "streaming", "notices"],
        *(func.coalesce(ChatTopic.table.c[name], KnownChat.table.c[name]).label(name) for name in FOLLOWED),
        ChatTopic.answers,
        KnownUser.model.label("own_model"),
        KnownUser.timezone.label("zone"),
        KnownUser.name.label("told_name"),
        KnownUser.language.label("told_language"),
    )
    .join(KnownUser.table, and_(KnownUser.bot == KnownChat.bot, KnownUser.id == bindparam("u")), isouter=True)
    .join(
        ChatTopic.table,
        and_(ChatTopic.bot == KnownChat.bot, ChatTopic.chat == KnownChat.id, ChatTopic.thread == bindparam("t")),
        isouter=True,
    )
    .where(KnownChat.bot == bindparam("b"), KnownChat.id == bindparam("c"))
)
BACK = Prepared(
    update(KnownChat.table)
    .where(KnownChat.bot == bindparam("b"), KnownChat.id == bindparam("c"), KnownChat.is_gone)
    .values(is_gone=False)
)
ANSWERS_ALL = Prepared(
    select(ChatTopic.answers == "all").where(
        ChatTopic.bot == bindparam("b"), ChatTopic.chat == bindparam("c"), ChatTopic.thread == bindparam("t")
    )
)
STORE_IN_TOPIC = {name: insert_or_update(ChatTopic.table, ("bot", "chat", "thread"), (name,)) for name in OF_TOPIC}
IS_GONE = Prepared(select(KnownChat.is_gone).where(KnownChat.bot == bindparam("b"), KnownChat.id == bindparam("c")))
THERE = DaySpending.table.alias()
MOVED = [
    row.table
    for row in (
        Conversation,
        StoredMessage,
        StoredDelivery,
        Operation,
        StoredJob,
        Expense,
        StoredButton,
        Reservation,
        Blob,
        Judgement,
        ChatTopic,
        Gap,
        Placed,
    )
]


class Chats(Repository):
    """Chats: who wrote there, what was chosen there, whether they can be reached."""

    def record_seen(self, address: Address, user: Person, *, private: bool) -> None:
        """Insert the user and the chat if they are new."""
        now = self.clock.time()
        chat = {
            "bot": address.bot, "id": address.chat, "is_private": private, "is_gone": False,
            "language": "", "model": "", "streaming": "", "persona": "", "reasoning": "", "notices": "",
            "first_seen": now,
        }  # fmt: skip
        self.execute(SEEN_CHAT, chat)
        person = {"bot": address.bot, "id": user.id, "name": user.name[:256], "language": user.language[:16]}
        self.execute(SEEN_USER, {**person, "first_seen": now})

    def record_and_read_choices(self, address: Address, user: Person, *, private: bool) -> ChatChoices:
        """Insert the user and the chat if they are new; return the chat's settings.

        A user who has another name or language than before gets the new one; nothing is written for other users.
        """
        row = self._choices(address, user.id)
        if row is None or row.own_model is None:
            self.record_seen(address, user, private=private)
            return self.read_choices(address, user.id)
        told = {"name": (user.name[:256], row.told_name), "language": (user.language[:16], row.told_language)}
        if changed := {column: new for column, (new, known) in told.items() if new and new != known}:
            here = (KnownUser.bot == address.bot, KnownUser.id == user.id)
            self.connection.execute(update(KnownUser.table).where(*here).values(**changed))
        return _chosen(row)

    def read_choices(self, address: Address, user: int = 0) -> ChatChoices:
        """Return the settings of a chat, or of the topic of it that the address names.

        With `user` also the model that this user chose for all chats.
        """
        return _chosen(self._choices(address, user))

    def _choices(self, address: Address, user: int) -> Any:
        """Read the choices of chat, topic and user as one row. `own_model` is None for a user who was never seen."""
        return self.execute(CHOICES, {
            "b": address.bot, "c": address.chat, "t": address.thread, "u": user
        }).one_or_none()  # fmt: skip

    def read_language(self, bot: int, user: int) -> str:
        """Return the language a user chose in the private chat, or has in Telegram; "" for a user never seen."""
        chosen = select(KnownChat.language).where(KnownChat.bot == bot, KnownChat.id == user)
        told = select(KnownUser.language).where(KnownUser.bot == bot, KnownUser.id == user)
        return self.connection.scalar(chosen) or self.connection.scalar(told) or ""

    def store_choices(self, address: Address, **choice: str) -> None:
        """Store settings by the names of their columns.

        If the address has a topic, the settings in `OF_TOPIC` are stored for that topic, all others for the chat.
        `answers` always belongs to the topic.
        """
        for name, value in choice.items():
            if name in OF_TOPIC and (address.thread or name not in KnownChat.table.c):
                row = {"bot": address.bot, "chat": address.chat, "thread": address.thread, name: value}
                self.execute(STORE_IN_TOPIC[name], row)
            else:
                self._set(address.bot, address.chat, **{name: value})

    def answers_all(self, address: Address) -> bool:
        """Return whether the bot answers every message in a topic, also one that does not mention it."""
        where = {"b": address.bot, "c": address.chat, "t": address.thread}
        return bool(self.execute(ANSWERS_ALL, where).scalar())

    def store_own_model(self, bot: int, user: int, model: str) -> None:
        """Store the model that a user wants in every chat that has not chosen one."""
        self.connection.execute(
            update(KnownUser.table).where(KnownUser.bot == bot, KnownUser.id == user).values(model=model)
        )

    def drop_models(self, address: Address, user: int, models: Collection[str]) -> None:
        """Forget the choice of models that are not offered any more, for a chat, its topics and a user."""
        topic = (ChatTopic.bot == address.bot, ChatTopic.chat == address.chat, ChatTopic.model.in_(models))
        self.connection.execute(update(ChatTopic.table).where(*topic).values(model=None))
        here = (KnownChat.bot == address.bot, KnownChat.id == address.chat, KnownChat.model.in_(models))
        self.connection.execute(update(KnownChat.table).where(*here).values(model=""))
        own = (KnownUser.bot == address.bot, KnownUser.id == user, KnownUser.model.in_(models))
        self.connection.execute(update(KnownUser.table).where(*own).values(model=""))

    def answers_with_voice(self, address: Address) -> bool:
        """Return whether voice notes are answered with voice notes in a chat."""
        query = select(KnownChat.mirrors).where(KnownChat.bot == address.bot, KnownChat.id == address.chat)
        return bool(self.connection.execute(query).scalar_one_or_none())

    def set_voice_answers(self, address: Address, *, on: bool) -> None:
        """Choose whether voice notes are answered with voice notes in a chat."""
        self._set(address.bot, address.chat, mirrors=on)

    def list_reachable_people(self, bot: int, after: int = 0) -> Iterator[int]:
        """Return the ids above `after` of people whose private chat can be reached, in ascending order."""
        query = select(KnownChat.id).where(
            KnownChat.bot == bot, KnownChat.id > after, KnownChat.is_private, ~KnownChat.is_gone
        )
        with self.connection.execute(query.order_by(KnownChat.id)).scalars() as found:
            yield from found

    def is_known(self, bot: int, chat: int) -> bool:
        """Return whether somebody has ever written to the bot in a chat."""
        return self.execute(IS_GONE, {"b": bot, "c": chat}).first() is not None

    def is_reachable(self, bot: int, chat: int) -> bool:
        """Return whether somebody has written to the bot in a chat, and has not blocked it since."""
        found = self.execute(IS_GONE, {"b": bot, "c": chat}).first()
        return found is not None and not found.is_gone

    def list_zones(self, bot: int) -> Sequence[str]:
        """Return the time zones that people have told, each once, with "" for those who have told none."""
        return (
            self.connection.execute(select(KnownUser.timezone).where(KnownUser.bot == bot).distinct()).scalars().all()
        )

    def list_people_of_zones(self, bot: int, zones: Collection[str], after: int, most: int) -> Sequence[Row[Any]]:
        """Return `id`, `timezone` and `first_seen` of at most `most` people with ids above `after`, in ascending order,
        whose private chat can be reached and whose time zone is one of `zones`.
        """
        query = (
            select(*KnownUser.table.c["id", "timezone", "first_seen"])
            .join(KnownChat.table, and_(KnownChat.bot == KnownUser.bot, KnownChat.id == KnownUser.id))
            .where(KnownUser.bot == bot, KnownUser.id > after, KnownUser.timezone.in_(zones), KnownChat.is_private)
            .where(~KnownChat.is_gone)
        )
        return self.connection.execute(query.order_by(KnownUser.id).limit(most)).all()

    def set_unreachable(self, bot: int, chat: int, *, gone: bool) -> None:
        """Store whether a chat can be reached; `gone` True: it can't."""
        self._set(bot, chat, is_gone=gone)

    def serialize_decisions(self, address: Address) -> None:
        """Make two transactions that decide about this chat run one after the other.

        The row of the chat is updated without a change, so PostgreSQL refuses a second transaction that does the same;
        see `storage/engines/postgres.py`.
        """
        self._set(address.bot, address.chat, first_seen=KnownChat.first_seen)

    def mark_reachable(self, address: Address) -> None:
        """Note that a chat can be reached again, because somebody wrote there."""
        self.execute(BACK, {"b": address.bot, "c": address.chat})

    def is_unreachable(self, address: Address) -> bool:
        """Return whether a chat can't be reached."""
        return bool(self.execute(IS_GONE, {"b": address.bot, "c": address.chat}).scalar())

    def change_id(self, bot: int, old: int, new: int) -> None:
        """Give a group the id of the supergroup that it became, in every table."""
        self.queue.notify_processes(f"roll:{bot}")  # a group that was let in is let in under its new id
        # the process that has the lease of the new chat delivers what waits there
        self.queue.announce_chat(bot, f"/{new}")
        target = self.connection.execute(select(KnownChat.id).where(KnownChat.bot == bot, KnownChat.id == new)).first()
        if target is None:
            self.connection.execute(
                update(KnownChat.table).where(KnownChat.bot == bot, KnownChat.id == old).values(id=new)
            )
        else:
            allowed = select(KnownChat.is_allowed).where(KnownChat.bot == bot, KnownChat.id == old)
            self._set(bot, new, is_allowed=or_(KnownChat.is_allowed, func.coalesce(allowed.scalar_subquery(), false())))
        Seats(self.connection, self.clock, self.queue).change_group(bot, old, new)
        for table in MOVED:
            self.connection.execute(update(table).where(table.c.bot == bot, table.c.chat == old).values(chat=new))
        moved = (DaySpending.bot == bot, DaySpending.scope == "chat", DaySpending.subject == old)
        there = exists().where(
            THERE.c.bot == bot,
            THERE.c.day == DaySpending.day,
            THERE.c.kind == DaySpending.kind,
            THERE.c.scope == "chat",
            THERE.c.subject == new,
        )
        self.connection.execute(update(DaySpending.table).where(*moved, ~there).values(subject=new))
        here = AwaitedAnswer.key.like(f"{bot}/%/{old}/%")
        self.connection.execute(update(AwaitedAnswer.table).where(AwaitedAnswer.bot == bot, here).values(expires=0.0))

    def _set(self, bot: int, chat: int, **values: Any) -> None:
        self.connection.execute(
            update(KnownChat.table).where(KnownChat.bot == bot, KnownChat.id == chat).values(**values)
        )


class Users(Repository):
    """What users told about themselves."""

    def read_name(self, bot: int, user: int) -> str:
        """The name that a user has, "" for a user never seen."""
        return self.connection.scalar(select(KnownUser.name).where(KnownUser.bot == bot, KnownUser.id == user)) or ""

    def read_timezone(self, bot: int, user: int) -> str:
        """The time zone that a user told: an IANA name or an offset, "" for none."""
        query = select(KnownUser.timezone).where(KnownUser.bot == bot, KnownUser.id == user)
        return self.connection.scalar(query) or ""

    def store_timezone(self, bot: int, user: int, timezone: str) -> None:
        """Store a user's time zone: an IANA name or an offset."""
        self.connection.execute(
            update(KnownUser.table).where(KnownUser.bot == bot, KnownUser.id == user).values(timezone=timezone)
        )


def _chosen(row: Any) -> ChatChoices:
    return ChatChoices(**{one.name: getattr(row, one.name) or "" for one in fields(ChatChoices)} if row else {})
