"""Writes the answers for chats of people's accounts: as drafts for the owner, with buttons, or as messages there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.conversation import branching
from bot.conversation.assistant import Assistant
from bot.conversation.helper_model import PaidBy
from bot.desk.assistance.purse import Purse
from bot.desk.business.chats import DRAFT, LOOK_BACK, order_answer
from bot.desk.business.rules import forbidden, goes_alone, is_owners
from bot.desk.cards import CALLED, OPERATORS
from bot.desk.desk import Desk, Places
from bot.desk.formatting import Piece, formatted, harmless
from bot.desk.policy.desk_file import Accounts
from bot.errors import LimitReached, ModelError
from bot.handlers import ButtonHandler, Handlers
from bot.outbox import Choice, end_question, finish_asking, finish_turn
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.messages import OPEN, Remembered
from bot.storage.repositories.money.ledger import PURSE
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import Account, AccountChat
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Outgoing, User

MOST_TRIES = 3
EDIT = "business.edit"  # the action of the button, and of the words that the owner sends in place of a draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an answer is written from: the account, the chat, the newest messages and the place of the last question."""

    account: Account
    chat: AccountChat
    newest: Sequence[Remembered]
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAnswers:
    """Writes answers, which the `purse` of the desk pays. `send` delivers to places in the background."""

    store: Store
    desk: Desk
    assistant: Assistant
    purse: Purse
    send: Callable[[str, Places], None]

    def feature(self) -> Handlers:
        """Return the feature: the job, the buttons of drafts, and the words that an owner sends in place of one."""
        presses = {"business.send": self.press_send, EDIT: self.press_edit, "business.drop": self.press_drop}
        presses |= {"business.forget": self.press_forget}
        return Handlers(
            jobs={DRAFT: self.write},
            presses={name: ButtonHandler(run) for name, run in presses.items()},
            awaits={EDIT: self.receive_words},
        )

    # --- writing ------------------------------------------------------------------------------------------------------

    async def write(self, job: Job) -> None:
        """The job: write an answer, and send it or show it to the owner of the account."""
        known = await self.store.write(lambda tx: self._begin(tx, job))
        if known is None:
            return
        asked, chat = known.newest[known.place], known.chat
        customer = User(chat.user, chat.name, chat.language)
        incoming = Incoming(f"{DRAFT} {job.key}.{chat.version}", job.address, customer, text=asked.words)
        payer = PaidBy(replace(incoming, user=User(PURSE, language=chat.language)), incoming.id, self.purse)
        why, text, label, is_sure = "", "", "", False
        try:
            text, citing, _ = await self.assistant.draft(incoming, asked, payer, later=known.newest[known.place + 1 :])
            is_sure = citing is None or not (citing.left_out or citing.has_own)
            label = await self._label(payer.incoming)
        except LimitReached:
            why = "desk.draft.limit"
        except ModelError:
            if job.attempts + 1 < MOST_TRIES:
                raise
            why = "desk.draft.failed"
        why = why or ("" if text else "desk.draft.unanswered")
        self.send(
            "",
            await self.store.write(lambda tx: self._keep(tx, job, known, text, why=why, label=label, is_sure=is_sure)),
        )

    def _begin(self, tx: Tx, job: Job) -> Known | None:
        """What an answer is written from; the job ends here if none is wanted any more."""
        known = self._known(tx, job.address)
        if known is None:
            tx.jobs.delete_done(job)
        return known

    def _known(self, tx: Tx, where: Address) -> Known | None:
        """What an answer is written from; None if none is wanted any more."""
        account, chat = (
            tx.one(Account, bot=self.desk.bot, id=where.connection),
            tx.accounts.find_chat(where),
        )
        settings = self.desk.table.business
        if account is None or chat is None or settings is None or is_owners(chat, tx.clock.time(), settings):
            return None
        conversation = tx.messages.find_current_conversation(where)
        newest = tx.messages.list_newest(conversation, LOOK_BACK) if conversation is not None else ()
        asks = (one.message.role == "user" and one.words != CALLED and one.ending != OPEN for one in newest)
        place = max((place for place, is_question in enumerate(asks) if is_question), default=-1)
        answered = any(one.message.role == "assistant" for one in newest[place + 1 :])
        return None if place < 0 or answered else Known(account=account, chat=chat, newest=newest, place=place)

    async def _label(self, incoming: Incoming) -> str:
        topics = self.assistant.turn_start.topics
        chosen = await topics.choose(incoming, last=True) if topics is not None else None
        return chosen.choice.topic if chosen is not None and chosen.choice.is_sure else ""

    def _keep(self, tx: Tx, job: Job, known: Known, text: str, *, why: str, label: str, is_sure: bool) -> Places:
        """Send an answer, or show it to the owner; write it anew if something was said in the chat meanwhile."""
        tx.jobs.delete_done(job)
        now, settings = (
            tx.accounts.find_chat(job.address),
            self.desk.table.business,
        )
        account = tx.one(Account, bot=self.desk.bot, id=job.address.connection)
        if now is None or settings is None or account is None:
            return ()
        if now.version != known.chat.version:
            order_answer(tx, job.address)
            return ()
        refusal = forbidden(account, now, tx.clock.time())
        if text and is_sure and not refusal and goes_alone(settings, label=label, is_open=self._is_open(tx)):
            return self._answer(tx, now, text, settings)
        return self._offer(tx, known, now, text, why=refusal or why)

    def _is_open(self, tx: Tx) -> bool:
        now = tx.clock.time()
        return self.desk.table.hours.hours.next_opening(now) == now

    def _answer(self, tx: Tx, chat: AccountChat, text: str, settings: Accounts) -> Places:
        """Send an answer without the owner, once for this version of the chat."""
        where = chat.address
        note = say(chat.language, "business.notice") if settings.notice and not chat.noticed else ""
        key = f"{where.key}.{chat.version}.{int(chat.heard)}"[-80:]
        branching.add_words(tx, where, key, text, user=chat.user, first=CALLED)
        tx.accounts.store_chat(replace(chat, noticed=True))
        tx.outbox.add_answer(key, where, Outgoing(f"{text}\n\n{note}" if note else text))
        return [where]

    def _offer(self, tx: Tx, known: Known, chat: AccountChat, text: str, *, why: str) -> Places:
        """Show the owner what a customer has asked, and the draft, or why there is none or why it can't be sent."""
        owner, bot = known.account.address, self.desk.bot
        language = tx.chats.read_language(bot, known.account.user)
        question = harmless(known.newest[known.place].words)[0]
        pieces = [Piece(say(language, "business.asks", name=harmless(chat.name)[0] or str(chat.user)), "bold")]
        pieces += [Piece("\n"), Piece(question, "blockquote"), Piece("\n")]
        pieces += [Piece(text), Piece("\n")] if text else []
        pieces += [Piece("\n" + say(language, why))] if why else []
        key = f"{chat.address.key}.{chat.version}.{int(chat.heard)}.draft"[-80:]
        payload = {"account": chat.account, "customer": chat.user, "version": chat.version, "text": text}
        choices = [Choice(say(language, "business.drop"), "business.drop", payload)]
        choices.append(Choice(say(language, "business.forget"), "business.forget", payload))
        if not why.startswith("business."):
            choices.insert(0, Choice(say(language, "business.edit"), EDIT, payload))
        if text and not why:
            choices.insert(0, Choice(say(language, "business.send"), "business.send", payload))
        made = [
            tx.buttons.add_button(owner, key, known.account.user, one.label, one.action, draft=one.payload)
            for one in choices
        ]
        rows = tuple(tuple(made[first : first + 2]) for first in range(0, len(made), 2))
        tx.outbox.add_answer(key, owner, replace(formatted(pieces), buttons=rows))
        return [owner]

    # --- the owner's word ---------------------------------------------------------------------------------------------

    async def press_send(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Send a draft, unless something was said in the chat since, or nothing may be sent there any more."""
        await self._end(incoming, reply, lambda tx: self._send(tx, incoming, action, "", over=True))

    async def press_edit(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Ask the owner for the words that are to be sent."""

        def work(tx: Tx) -> Places:
            finish_asking(
                tx,
                incoming,
                EDIT,
                say(incoming.language, "business.edit.ask"),
                takes_questions=True,
                draft=action.payload["draft"],
            )
            return ()

        await self._end(incoming, reply, work)

    async def receive_words(self, incoming: Incoming, reply: Reply, waiting: ButtonPress) -> bool:
        """Send the owner's words in place of a draft. False: the message has none."""
        if not incoming.text.strip():
            return False

        def work(tx: Tx) -> Places:
            end_question(tx, incoming)
            return self._send(tx, incoming, waiting, incoming.text, over=False)

        await self._end(incoming, reply, work)
        return True

    async def press_drop(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Take the buttons from a draft that is not sent."""

        def work(tx: Tx) -> Places:
            finish_turn(tx, incoming, say(incoming.language, "business.dropped"), over=True)
            return ()

        await self._end(incoming, reply, work)

    async def press_forget(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Delete what is stored of a chat: what was said there, and the answers that wait."""
        draft = action.payload["draft"]
        where = Address("telegram", self.desk.bot, int(draft["customer"]), connection=str(draft["account"]))

        def work(tx: Tx) -> Places:
            tx.personal_data.delete_chat_of_account(where)
            finish_turn(tx, incoming, say(incoming.language, "business.forgotten"), over=True)
            return ()

        await self._end(incoming, reply, work)

    async def _end(self, incoming: Incoming, reply: Reply, work: Callable[[Tx], Places]) -> None:
        self.send("", [incoming.address, *await self.store.write(work)])
        await reply.finish()

    def _send(self, tx: Tx, incoming: Incoming, action: ButtonPress, own: str, *, over: bool) -> Places:
        """Send the draft of a button, or the owner's `own` words, and tell what became of it."""
        draft, bot, language = action.payload["draft"], self.desk.bot, incoming.language
        where = Address("telegram", bot, int(draft["customer"]), connection=str(draft["account"]))
        chat, account = (
            tx.accounts.find_chat(where),
            tx.one(Account, bot=bot, id=where.connection),
        )
        text = own or str(draft["text"])
        why = forbidden(account, chat, tx.clock.time()) if chat is not None else "business.gone"
        if chat is not None and not why and chat.version != int(draft["version"]):
            why = "business.older"
        if chat is None or why:
            finish_turn(tx, incoming, say(language, why))
            return ()
        key = f"{incoming.id}{OPERATORS}"
        branching.add_words(tx, where, key, text, user=chat.user, first=CALLED)
        tx.accounts.store_chat(chat)
        relays = (incoming.address.chat, incoming.message_id)
        tx.outbox.add_answer(key, where, Outgoing(text, plain=bool(own), relays=relays))
        told = Outgoing(say(language, "business.sent", text=text), plain=bool(own))
        finish_turn(tx, incoming, told, over=over)
        return [where]
