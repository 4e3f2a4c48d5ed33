"""What happens in the chats of people's accounts: customers write, owners write themselves, messages are edited and
deleted, accounts are connected and disconnected.

Bot and owner never both answer: an answer is committed only if the chat has the version that it had when it was begun,
and every message of either side makes a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.conversation import branching
from bot.desk.business.rules import is_owners
from bot.desk.cards import CALLED, OPERATORS
from bot.desk.desk import Desk, Places
from bot.desk.policy.desk_file import Accounts
from bot.feature import Feature
from bot.outbox import finish_turn
from bot.ports import Reply
from bot.storage.repositories.desk.accounts import Account, AccountChat
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Attachment, Incoming, Job, Kind, Outgoing, Text

DRAFT = "business.draft"  # the job that writes an answer
PAUSE = 2.0  # seconds for which it waits: a customer writes several messages at once
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

    def feature(self) -> Feature:
        """Return the feature: the events of accounts and their chats."""
        return Feature(kinds={Kind.BUSINESS: self.handle})

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
        account, settings = tx.accounts.find_account(self.desk.bot, incoming.address.connection), self.settings
        if account is None or settings is None or not self.serves(account.user):
            return ()
        chat = tx.accounts.find_chat(incoming.address)
        if incoming.data == "deleted":
            self._deleted(tx, incoming, chat)
        elif incoming.user.id == account.user:
            self._owner_wrote(tx, incoming, chat or AccountChat(account=account.id, user=incoming.address.chat))
        elif incoming.data == "edited":
            self._edited(tx, incoming, chat, settings)
        else:
            self._customer_wrote(tx, incoming, chat, settings)
        return ()

    @property
    def settings(self) -> Accounts | None:
        """The table `[business]` as it is now, None without it."""
        return self.desk.table.business

    # --- accounts -----------------------------------------------------------------------------------------------------

    def _connected(self, tx: Tx, incoming: Incoming, *, may_reply: bool) -> Places:
        """Store an account, and tell its owner what the bot does there, or no longer does."""
        where, owner, bot = incoming.address, incoming.user, self.desk.bot
        account = Account(id=where.connection, user=owner.id, place=where.chat, may_reply=may_reply)
        before = tx.accounts.find_account(bot, account.id)
        told = f"business.{'connected' if may_reply else 'disconnected'}"
        if self.serves(owner.id):
            tx.accounts.store_account(bot, account)
        else:
            told = "business.not_allowed"
        if before is not None and before.may_reply == account.may_reply:
            return ()
        text = say(owner.language, told)
        for customer, unsent in () if may_reply else tx.accounts.withdraw(bot, account.id):
            name = tx.users.read_name(bot, customer) or str(customer)
            text += "\n\n" + say(owner.language, "business.unsent", name=name, text=unsent[:SHOWN])
        tx.outbox.add_answer(f"{incoming.id}.account", account.address(bot), Outgoing(text, plain=True))
        return [account.address(bot)]

    # --- messages -----------------------------------------------------------------------------------------------------

    def _customer_wrote(self, tx: Tx, incoming: Incoming, chat: AccountChat | None, settings: Accounts) -> None:
        now, user = tx.clock.time(), incoming.user
        chat = chat or AccountChat(account=incoming.address.connection, user=incoming.address.chat)
        owned = chat.owned if is_owners(chat, now, settings) else 0.0
        chat = replace(chat, name=user.name, language=user.language or chat.language, heard=now, owned=owned)
        tx.accounts.store_chat(self.desk.bot, chat)
        parts = tuple(part for part in incoming.parts if not isinstance(part, Attachment))
        branching.follow(tx, incoming, (Text(incoming.text or "[…]"), *parts))
        if not owned and incoming.text:
            order_answer(tx, incoming.address)

    def _owner_wrote(self, tx: Tx, incoming: Incoming, chat: AccountChat) -> None:
        """The owner answers: what the bot was about to say is not said, and its next prompt has the owner's words."""
        where = incoming.address
        tx.accounts.store_chat(self.desk.bot, replace(chat, owned=tx.clock.time()))
        branching.withdraw_answers(tx, where)
        if incoming.data == "said" and incoming.text:
            branching.add_words(tx, where, f"{incoming.id}{OPERATORS}", incoming.text, user=chat.user, first=CALLED)

    def _edited(self, tx: Tx, incoming: Incoming, chat: AccountChat | None, settings: Accounts) -> None:
        """A customer has edited a message: prompts have the new text, and an answer that waits is written anew."""
        asked = tx.messages.find_question_at(incoming.address, incoming.message_id)
        if chat is None or asked is None or branching.revise(tx, replace(incoming, of=asked.turn)) is None:
            return
        tx.accounts.store_chat(self.desk.bot, chat)
        branching.withdraw_answers(tx, incoming.address)
        if not is_owners(chat, tx.clock.time(), settings):
            order_answer(tx, incoming.address)

    def _deleted(self, tx: Tx, incoming: Incoming, chat: AccountChat | None) -> None:
        """Messages were deleted: prompts are without them, and an answer to them that waits is not sent."""
        if chat is None:
            return
        tx.accounts.store_chat(self.desk.bot, chat)
        for place in incoming.text.split():
            asked = tx.messages.find_question_at(incoming.address, int(place))
            if asked is None:
                continue
            branching.withdraw_answers(tx, incoming.address)
            tx.messages.move_head(asked.conversation, asked.parent or None)
            if (job := tx.jobs.find_job(self.desk.bot, DRAFT, incoming.address.key)) is not None:
                tx.jobs.delete_done(job)


def order_answer(tx: Tx, where: Address) -> None:
    """Have an answer written for a chat of an account. Several messages of a customer get one."""
    tx.jobs.add_job(Job(DRAFT, where.key, where, {}, due=tx.clock.time() + PAUSE))
