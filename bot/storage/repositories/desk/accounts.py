"""Accounts of people in whose chats the bot answers (business connections), and what is known of each chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select, update

from bot.ports import DeliveryState
from bot.storage.engines.dialects import insert_or_update
from bot.storage.repositories.mapping import Repository, load_outgoing, made
from bot.storage.tables.desk import desk_account_chats, desk_accounts
from bot.storage.tables.work import deliveries
from bot.types import Address

PUT = insert_or_update(desk_accounts, ("bot", "id"), ("user", "place", "may_reply"))
PUT_CHAT = insert_or_update(
    desk_account_chats, ("bot", "account", "user"), ("name", "language", "version", "heard", "owned", "noticed")
)
WITHDRAWN = "the account is not connected any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account: the id of its connection, its owner `user`, the owner's chat with the bot."""

    id: str
    user: int
    place: int
    may_reply: bool

    def address(self, bot: int) -> Address:
        """Return the address of the private chat that the account's owner has with the bot of this id."""
        return Address("telegram", bot, self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChat:
    """A chat of a connected account with the customer `user`. The fields are described at
    `tables.desk.AccountChatColumns`.
    """

    account: str
    user: int
    name: str = ""
    language: str = ""
    version: int = 0
    heard: float = 0.0
    owned: float = 0.0
    noticed: bool = False

    def address(self, bot: int) -> Address:
        """The chat as an address of the outbox."""
        return Address("telegram", bot, self.user, connection=self.account)


class Accounts(Repository):
    """The accounts of a bot, and their chats."""

    def store_account(self, bot: int, account: Account) -> None:
        """Store an account, in place of what was known of it."""
        row = {"id": account.id, "user": account.user, "place": account.place, "may_reply": int(account.may_reply)}
        self.connection.execute(PUT(self.connection), {"bot": bot, **row})

    def find_account(self, bot: int, id_: str) -> Account | None:
        """Return an account by the id of its connection, None if there is none."""
        query = select(desk_accounts).where(desk_accounts.c.bot == bot, desk_accounts.c.id == id_)
        return self._find(lambda row: made(Account, row, may_reply=bool(row.may_reply)), query)

    def list_accounts(self, bot: int) -> Sequence[Account]:
        """Return all accounts of a bot."""
        query = select(desk_accounts).where(desk_accounts.c.bot == bot).order_by(desk_accounts.c.id)
        return [made(Account, row, may_reply=bool(row.may_reply)) for row in self.connection.execute(query)]

    def find_chat(self, where: Address) -> AccountChat | None:
        """Return what is known of a chat of an account, None if nobody has written there."""
        mine = desk_account_chats.c
        here = (mine.bot == where.bot, mine.account == where.connection, mine.user == where.chat)
        return self._find(_chat, select(desk_account_chats).where(*here))

    def list_quiet(self, bot: int, before: float, most: int) -> Sequence[Address]:
        """Return at most so many chats in which nobody has written since a Unix time."""
        mine = desk_account_chats.c
        quiet = (mine.bot == bot, mine.heard < before, mine.owned < before)
        found = self.connection.execute(select(mine.account, mine.user).where(*quiet).limit(most))
        return [Address("telegram", bot, row.user, connection=row.account) for row in found]

    def store_chat(self, bot: int, chat: AccountChat) -> AccountChat:
        """Store a chat with the next version number, and return it with that number."""
        after = replace(chat, version=chat.version + 1)
        names = ("account", "user", "name", "language", "version", "heard", "owned")
        row = {name: getattr(after, name) for name in names}
        self.connection.execute(PUT_CHAT(self.connection), {"bot": bot, **row, "noticed": int(after.noticed)})
        return after

    def withdraw(self, where: Address, *, whole_account: bool = False) -> Sequence[tuple[str, Address, str]]:
        """Withdraw answers to a chat of an account (with `whole_account`, to all its chats) that wait and are not being
        sent.

        Returns the key, the address and the text of each, newest first.
        """
        here = [deliveries.c.bot == where.bot, deliveries.c.connection == where.connection]
        here += [] if whole_account else [deliveries.c.chat == where.chat]
        query = select(deliveries.c.id, deliveries.c.key, deliveries.c.chat, deliveries.c.outgoing)
        waits = query.where(*here, deliveries.c.state == DeliveryState.PENDING.value)
        found = self.connection.execute(waits.order_by(deliveries.c.id.desc())).all()
        gone = update(deliveries).where(deliveries.c.id.in_([row.id for row in found]))
        self.connection.execute(gone.values(state=DeliveryState.DEAD.value, reason=WITHDRAWN))
        return [(row.key, replace(where, chat=row.chat), load_outgoing(row.outgoing, None).text) for row in found]


def _chat(row: Any) -> AccountChat:
    return made(AccountChat, row, noticed=bool(row.noticed))
