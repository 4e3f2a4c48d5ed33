"""What happens in the chats of people's accounts: customers write, owners write themselves, messages are edited and
deleted, accounts are connected and disconnected.

Bot and owner never both answer: an answer is committed only if the chat has the version that it had when it was begun,
and every message of either side makes a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from bot.conversation import branching
from bot.desk.business.rules import is_owners
from bot.desk.cards import CALLED, OPERATORS
from bot.desk.desk import Desk, Places
from bot.desk.policy.desk_file import Accounts
from bot.handlers import Handlers
from bot.outbox import finish_turn
from bot.ports import Reply
from bot.storage.repositories.messages import OPEN, Remembered
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import Account, AccountChat
from bot.texts.catalog import say
from bot.types import Address, Attachment, Incoming, Job, Kind, Outgoing, Text

DRAFT = "business.draft"  # the job that writes an answer
PAUSE = 2.0  # seconds for which it waits: a customer writes several messages at once
NOT_SEEN = "[…]"  # stands in prompts for a message without a text, or one that was deleted
LOOK_BACK = 20  # newest messages, among which are the questions without an answer
SHOWN = 500  # characters of a text that was not sent, in the list of these


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChats:
    """Stores what happens in the chats of accounts. `serves` says whose accounts may be connected; `send` delivers to
    places in the background.
    """

    store: Store
    desk: Desk
    serves: Callable[[int], bool]
    send: Callable[[str, Places], None]

    def feature(self) -> Handlers:
        """Return the feature: the events of accounts and their chats."""
        return Handlers(kinds={Kind.BUSINESS: self.handle})

    async def handle(self, incoming: Incoming, reply: Reply) -> None:
        """Store one event; nothing is said in the chat of the account."""
        if incoming.kind is Kind.BUSINESS:
            self.send("", await self.store.write(lambda tx: self._store(tx, incoming)))
        await reply.finish()

    def _store(self, tx: Tx, incoming: Incoming) -> Places:
        tx.inbox.mark_begun(incoming.ids)
        finish_turn(tx, replace(incoming, user=replace(incoming.user, id=0)))
        if incoming.data in ("connected", "disconnected"):
            return self._connected(tx, incoming, may_reply=incoming.data == "connected")
        account, settings = tx.one(Account, bot=self.desk.bot, id=incoming.address.connection), self.settings
        if account is None or settings is None or not self.serves(account.user):
            return ()
        chat = tx.accounts.find_chat(incoming.address)
        if incoming.user.id == account.user and incoming.data != "deleted":
            return self._owner_wrote(tx, incoming, chat, account)
        if incoming.data == "said":
            self._customer_wrote(tx, incoming, chat, settings)
            return ()
        ids = incoming.text.split() if incoming.data == "deleted" else [incoming.message_id]
        said = [one for id_ in ids if (one := tx.messages.find_at(incoming.address, int(id_))) is not None]
        if chat is None or not said:
            return ()
        tx.accounts.store_chat(chat)
        told = self._withdraw(tx, incoming, account)
        for one in said:
            self._follow(tx, incoming, one)
        if not is_owners(chat, tx.clock.time(), settings):
            order_answer(tx, incoming.address)
        return told

    @property
    def settings(self) -> Accounts | None:
        """The table `[business]` as it is now, None without it."""
        return self.desk.table.business

    # --- accounts -----------------------------------------------------------------------------------------------------

    def _connected(self, tx: Tx, incoming: Incoming, *, may_reply: bool) -> Places:
        """Store an account, and tell its owner what the bot does there, or no longer does."""
        where, owner, bot = incoming.address, incoming.user, self.desk.bot
        before, serves = tx.one(Account, bot=bot, id=where.connection), self.serves(owner.id)
        account = Account(bot=bot, id=where.connection, user=owner.id, place=where.chat, may_reply=may_reply and serves)
        if serves or before is not None:
            tx.put(account)
        if before.may_reply == account.may_reply if before is not None else not (serves or may_reply):
            return ()
        state = "not_allowed" if not serves else "connected" if may_reply else "disconnected"
        text = say(owner.language, f"business.{state}")
        if not account.may_reply:
            text += "".join(f"\n\n{line}" for _, line in self._withdrawn(tx, where, owner.language, whole_account=True))
        tx.outbox.add_answer(f"{incoming.id}.account", account.address, Outgoing(text, plain=True))
        return [account.address]

    def _withdraw(self, tx: Tx, incoming: Incoming, account: Account) -> Places:
        """Withdraw what waits for a chat. The owner reads which words of his own, or approved by him, were not sent."""
        language = tx.chats.read_language(self.desk.bot, account.user)
        lines = self._withdrawn(tx, incoming.address, language)
        told = [line for key, line in lines if key.endswith(OPERATORS)]
        if not told:
            return ()
        where, text = account.address, "\n\n".join(told)
        tx.outbox.add_answer(f"{incoming.id}.unsent", where, Outgoing(text, plain=True))
        return [where]

    def _withdrawn(
        self, tx: Tx, where: Address, language: str, *, whole_account: bool = False
    ) -> Sequence[tuple[str, str]]:
        """Give up what waits for a chat or an account, so that no later prompt has it. Returns the key of each answer
        and what its owner reads of it, oldest first.
        """
        lines = []
        for key, place, unsent in tx.accounts.withdraw(where, whole_account=whole_account):
            branching.take_back(tx, place, key)
            chat = tx.accounts.find_chat(place)
            name = chat.name if chat is not None else str(place.chat)
            lines.append((key, say(language, "business.unsent", name=name, text=unsent[:SHOWN])))
        return lines[::-1]

    # --- messages -----------------------------------------------------------------------------------------------------

    def _customer_wrote(self, tx: Tx, incoming: Incoming, chat: AccountChat | None, settings: Accounts) -> None:
        now, user = tx.clock.time(), incoming.user
        chat = chat or AccountChat(bot=self.desk.bot, account=incoming.address.connection, user=incoming.address.chat)
        owned = chat.owned if is_owners(chat, now, settings) else 0.0
        chat = replace(chat, name=user.name, language=user.language or chat.language, heard=now, owned=owned)
        tx.accounts.store_chat(chat)
        parts = tuple(part for part in incoming.parts if not isinstance(part, Attachment))
        branching.follow(tx, incoming, (Text(incoming.text or NOT_SEEN), *parts))
        if not owned and incoming.text:
            order_answer(tx, incoming.address)

    def _owner_wrote(self, tx: Tx, incoming: Incoming, chat: AccountChat | None, account: Account) -> Places:
        """The owner answers: what the bot was about to say is not said, and its next prompt has the owner's words."""
        where = incoming.address
        chat = chat or AccountChat(bot=self.desk.bot, account=account.id, user=where.chat)
        tx.accounts.store_chat(replace(chat, owned=tx.clock.time()))
        told = self._withdraw(tx, incoming, account)
        before = tx.messages.find_at(where, incoming.message_id)
        if before is not None:
            tx.messages.replace_text(before.id, incoming.text or NOT_SEEN)
        elif incoming.data == "said" and incoming.text:
            branching.add_words(
                tx,
                where,
                f"{incoming.id}{OPERATORS}",
                incoming.text,
                user=chat.user,
                first=CALLED,
                place=incoming.message_id,
            )
        return told

    def _follow(self, tx: Tx, incoming: Incoming, said: Remembered) -> None:
        """Have later prompts show a message as it stands in the chat now. What was answered is not asked again."""
        newest = tx.messages.list_newest(said.conversation, LOOK_BACK)
        unanswered = takewhile(lambda one: one.message.role == "user", reversed(newest))
        is_open = any(one.id == said.id for one in unanswered)
        if incoming.data == "deleted":
            tx.messages.replace_text(said.id, NOT_SEEN)
            tx.messages.set_ending(said.id, OPEN if is_open else said.ending)
        elif is_open:
            branching.revise(tx, replace(incoming, of=said.turn))


def order_answer(tx: Tx, where: Address) -> None:
    """Have an answer written for a chat of an account. Several messages of a customer get one."""
    tx.jobs.add_job(Job(DRAFT, where.key, where, {}, due=tx.clock.time() + PAUSE))
