"""How people and groups get access: by an invitation link, the first-run code, or a request to the admins.

Begin with `Onboarding.refuse`, which `dispatch/admission.py` calls for senders whom `access/policy.py` has refused. A
stranger can request access once, and so can a group. Each admin gets the request in private with two buttons, and the
first press decides.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.access.directory import MemberDirectory
from bot.access.policy import Actor, Decision, Role
from bot.access.rate_limit import RateLimit
from bot.access.rights import Rights
from bot.feature import ENDED, Feature, Instead, Turn, command, press
from bot.handlers import CommandHandler
from bot.outbox import Answer, Choice, Outcome, end_turn, finish, finish_turn, finish_with_notice, with_choices
from bot.ports import Reply, Transport
from bot.prompts.greeting import welcome
from bot.prompts.library import Library
from bot.storage.store import Store, Tx
from bot.storage.tables.people import Asked, Entry
from bot.texts.catalog import own, say
from bot.types import Address, Incoming, Kind, Outgoing, Permission

log = logging.getLogger(__name__)

REFUSALS_AT_ONCE = 5  # answers to a stranger, with their id; after them one a minute
TRIES = 5  # codes that one account may try, then one an hour; the tries of other accounts do not count
WRONG_CODES = 5  # log lines about wrong first-run codes at once; after them one a minute
MOST_OPEN = 50  # requests that wait for a decision of the admins


@dataclass(slots=True, kw_only=True)
class Onboarding(Feature):
    """Lets people and groups in, and answers everybody who may not use the bot.

    `greeting` replaces the bot's own answer to `/start`. `code` is the first-run code, "" for none: who sends it
    becomes the owner. `links` maps the beginning of the text after `/start` to the handler of another feature.
    """

    store: Store
    directory: MemberDirectory
    rights: Rights
    transport: Transport
    tasks: asyncio.TaskGroup
    greeting: str | Mapping[str, str] = ""
    library: Library = field(default_factory=Library)
    code: str = field(default="", init=False)
    wake_jobs: Callable[[], None] = field(default=lambda: None, init=False)
    links: dict[str, CommandHandler] = field(default_factory=dict, init=False)
    _refusals: RateLimit = field(default_factory=lambda: RateLimit(interval=60.0, burst=REFUSALS_AT_ONCE), init=False)
    _tries: RateLimit = field(default_factory=lambda: RateLimit(interval=3600.0, burst=TRIES), init=False)
    _wrong_codes: RateLimit = field(default_factory=lambda: RateLimit(interval=60.0, burst=WRONG_CODES), init=False)

    async def open(self, shared_code: Callable[[int], str] | None = None) -> None:
        """Load the members at the start, and make a first-run code if the bot has no owner.

        `shared_code` derives the code that all processes share from the number of owners that codes have made, so that
        each code works once. Without it the code is random.
        """
        await self.directory.load()
        if self.admins(Role.OWNER):
            self.code = ""
        elif shared_code is None:
            self.code = secrets.token_urlsafe(16)
        else:
            count = await self.store.read(lambda tx: tx.count(Entry, bot=self.directory.bot, action="owner"))
            self.code = shared_code(count)

    async def look(self) -> None:
        """Reload the members after another process has changed them."""
        await self.directory.load()
        self.code = "" if self.admins(Role.OWNER) else self.code

    def admins(self, least: Role = Role.ADMIN) -> Sequence[int]:
        """The ids of the owners in the settings, and of the members with the role `least` or a higher one."""
        return sorted({*self.rights.access.owners, *self.directory.with_role(least)})

    async def sweep(self, where: Address) -> None:
        """Revoke the links and requests of people whose role has expired. `where` is any address of the bot."""
        self.deliver("", await self.store.write(lambda tx: self.rights.end_lapsed(tx, where)))

    def deliver(self, turn: str, chats: Sequence[Address]) -> None:
        """Send stored messages to other chats in the background, so that an unreachable chat delays nobody."""
        for where in chats:
            self.tasks.create_task(self.transport.reply(where, turn).finish())

    # --- who is turned away -------------------------------------------------------------------------------------------

    async def refuse(self, incoming: Incoming, reply: Reply, decision: Decision) -> None:
        """Answer a sender who may not use the bot here, and end the turn."""
        if self._brings_code(incoming, decision):
            await self._enter(incoming, reply, _code(incoming))
            return
        answer = await self._refusal(incoming, reply, decision)

        def end(tx: Tx) -> Sequence[Address]:
            end_turn(tx, incoming, answer(tx) if answer is not None else None)
            return [where for where in tx.queue.answered if where != incoming.address]

        self.deliver(incoming.id, await finish(self.store, reply, end))

    def _brings_code(self, incoming: Incoming, decision: Decision) -> bool:
        is_stranger = decision is Decision.CLOSED and incoming.kind is not Kind.BUTTON
        return is_stranger and incoming.private and bool(_code(incoming))

    async def _refusal(self, incoming: Incoming, reply: Reply, decision: Decision) -> Callable[[Tx], Outcome] | None:
        """What makes the answer to a sender who may not use the bot; None for no answer."""
        if decision is Decision.CLOSED and incoming.kind is Kind.BUTTON:
            return await self._request_access(incoming, reply)
        if decision is Decision.CLOSED:
            return await self._turn_away(incoming, reply)
        await reply.acknowledge()
        # Two bots that answer each other would never stop.
        is_called = decision is Decision.NOT_HERE and _is_call(incoming) and self.admins()
        return (lambda tx: self._refuse_group(tx, incoming)) if is_called else None

    async def _turn_away(self, incoming: Incoming, reply: Reply) -> Callable[[Tx], Outcome] | None:
        speaks = incoming.kind in (Kind.MESSAGE, Kind.STOP) and not incoming.data
        if not speaks:
            await reply.acknowledge(say(incoming.user.language, "closed", id=incoming.user.id))
        if not (speaks and incoming.private) or self._refusals.take(incoming.user.id, self.store.clock.monotonic()):
            return None

        def tell(tx: Tx) -> Answer:
            language, user = _language(tx, incoming), incoming.user.id
            asked = tx.one(Asked, bot=incoming.address.bot, subject=user)
            state = asked.state if asked else ""
            may_ask = state not in ("open", "refused") and bool(self.admins())
            choices = [Choice(say(language, "join.ask"), ASK)] if may_ask else []
            return Answer(say(language, TOLD.get(state, "closed"), id=user), choices=choices)

        return tell

    async def _request_access(self, incoming: Incoming, reply: Reply) -> Callable[[Tx], Outcome] | None:
        """Take a stranger's request for access: no other button works for strangers."""
        where, user = incoming.address, incoming.user
        key, message = incoming.data, incoming.message_id
        action = await self.store.read(lambda tx: tx.buttons.find_pressed(where, user.id, key, message))
        if action is None or action.name != ASK:
            await reply.acknowledge(say(user.language, "closed", id=user.id))
            return None
        await reply.acknowledge()

        def request(tx: Tx) -> str | None:
            asked = tx.one(Asked, bot=where.bot, subject=user.id)
            if asked is not None and asked.state in ("open", "refused"):
                return None
            if tx.count(Asked, bot=where.bot, state="open") >= MOST_OPEN:
                return say(_language(tx, incoming), "join.many")
            tx.chats.record_seen(where, user, private=True)
            tx.buttons.expire_button(action.key)
            self._ask(tx, incoming, user.id, user.name, "join.question")
            return say(_language(tx, incoming), "join.sent")

        return request

    # --- groups -------------------------------------------------------------------------------------------------------

    def _refuse_group(self, tx: Tx, incoming: Incoming) -> str | None:
        """Ask the admins, once, whether the bot may speak in a group that nobody has allowed, and tell the group so."""
        where, is_admin = incoming.address, self.rights.access.role(Actor.of(incoming)) >= Role.ADMIN
        asked = tx.one(Asked, bot=where.bot, subject=where.chat)
        again = asked is None or (asked.state != "open" and is_admin)
        if not again or tx.count(Asked, bot=where.bot, state="open") >= MOST_OPEN:
            return None
        self._ask(tx, incoming, where.chat, incoming.title, "group.question")
        return say(_language(tx, incoming), "group.waiting")

    # --- what the admins are asked ------------------------------------------------------------------------------------

    def _ask(self, tx: Tx, incoming: Incoming, subject: int, name: str, question: str) -> None:
        """Store a request for access, and a message about it for each admin."""
        bot = incoming.address.bot
        tx.members.store_request(bot, subject, name)
        for admin in sorted(self.rights.with_role(tx, bot)):
            where = Address(incoming.address.transport, bot, admin)
            language, key = tx.chats.read_language(bot, admin), f"{incoming.id}.a{admin}"
            payload = {"subject": subject, "name": name, "language": incoming.user.language}
            row = tuple(
                tx.buttons.add_button(where, key, admin, say(language, act), act, **payload)
                for act in ("join.allow", "join.refuse")
            )
            text = say(language, question, name=name or "-", id=subject)
            tx.outbox.add_answer(key, where, Outgoing(text, plain=True, buttons=(row,)))

    @press("join.allow", "join.refuse", requires=Permission.MANAGE, changes_members=True)
    def decide(self, tx: Tx, turn: Turn, subject: int, name: str, language: str) -> Answer:
        """Let a person or a group in, or refuse them, and tell them the decision. Raises `NotAllowed`."""
        allows, admin, own_language = turn.pressed.name == "join.allow", turn.user.id, _language(tx, turn)
        where = Address(turn.address.transport, turn.address.bot, subject)
        now = self.rights.ensure_admin(tx, turn)
        if not tx.members.decide_request(where.bot, subject, "allowed" if allows else "refused", admin):
            return Answer(say(own_language, "join.decided"), over=True)
        tx.audit.add_entry(where.bot, admin, "allowed" if allows else "refused", subject)
        if allows and subject < 0:
            tx.members.set_group_allowed(where, allowed=True)
        elif allows and now.directory.role(subject) is None:
            self.rights.set_role(tx, where.bot, subject, Role.USER, admin)
        done = Answer(say(own_language, "join.let" if allows else "join.not", name=name or subject), over=True)
        if subject < 0 and not allows:
            return done
        tx.outbox.add_answer(
            f"{turn.id}.told", where, Outgoing(say(language, OUTCOMES[subject > 0, allows]), plain=True)
        )
        return done

    # --- codes --------------------------------------------------------------------------------------------------------

    @command("/start")
    async def start(self, turn: Turn, reply: Reply) -> Outcome | Instead | Callable[[Tx], Outcome]:
        """Greet a person who has access already, or use the link that they followed: it may bring a higher role."""
        rest = turn.rest
        opened = next((take for begins, take in self.links.items() if rest.startswith(begins)), None)
        if opened is not None and turn.private:
            await opened(turn, reply, rest)
            return ENDED
        if rest and turn.private and Actor.of(turn).firsthand:
            await self._enter(turn, reply, rest, inside=True)
            return ENDED
        if self.greeting:
            return own(self.greeting, turn.language, name=turn.user.name)
        return lambda tx: welcome(tx, turn, self.library)

    async def _enter(self, incoming: Incoming, reply: Reply, code: str, *, inside: bool = False) -> None:
        user, bot = incoming.user.id, incoming.address.bot
        if self._tries.take(user, self.store.clock.monotonic()):
            key = "start" if inside else "join.tries"
            await finish_with_notice(self.store, incoming, reply, key, name=incoming.user.name)
            return
        has_code = bool(self.code)
        first = has_code and hmac.compare_digest(code.encode(), self.code.encode())

        def enter(tx: Tx) -> Role | None:
            tx.chats.record_seen(incoming.address, incoming.user, private=True)
            role = self._make_owner(tx, bot, user) if first else self.rights.use_link(tx, bot, user, hashed(code))
            name, sentence = incoming.user.name, "start" if inside else "join.over"
            if role is not None:
                sentence = "join.welcome" if role is Role.USER else f"join.{role.word}"
            finish_turn(tx, incoming, say(_language(tx, incoming), sentence, name=name))
            return role

        role = await self.directory.write(enter)
        if role is Role.OWNER:
            self.code = ""
        elif has_code and not first and role is None and not self._wrong_codes.take("", self.store.clock.monotonic()):
            log.warning("account %d has tried a wrong first-run code", user)
        await reply.finish()

    def _make_owner(self, tx: Tx, bot: int, user: int) -> Role | None:
        if any(member.role == Role.OWNER.word for member in tx.members.list_members(bot)):
            return None
        self.rights.set_role(tx, bot, user, Role.OWNER, 0)
        tx.audit.add_entry(bot, user, "owner", user)
        return Role.OWNER


def hashed(code: str) -> str:
    """The SHA-256 of a link's code, which is stored instead of the code. A random code can't be found from its hash."""
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()


def _code(incoming: Incoming) -> str:
    """The code that follows `/start`; "" for any other message, and for one that the person did not write firsthand."""
    word, _, code = incoming.text.partition(" ")
    is_start = incoming.kind is Kind.MESSAGE and word.partition("@")[0].lower() == "/start"
    return code.strip() if is_start and Actor.of(incoming).firsthand else ""


def _is_call(incoming: Incoming) -> bool:
    """Whether a group has added the bot or spoken to it. A command without the bot's name may be for another bot."""
    if incoming.kind is Kind.MESSAGE:
        return not incoming.text.startswith("/") or "@" in incoming.text.split(maxsplit=1)[0]
    return incoming.kind is Kind.UNBLOCKED


def _language(tx: Tx, incoming: Incoming) -> str:
    return with_choices(tx, incoming).language


ASK = "join.ask"
TOLD = {"open": "join.waiting", "refused": "join.refused"}
OUTCOMES = {(True, True): "join.welcome.asked", (True, False): "join.refused", (False, True): "group.welcome"}
