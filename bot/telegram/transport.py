"""Telegram as a transport: starts and stops the intake, the delivery and what is between them, in the right order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiogram.methods import (
    DeleteForumTopic,
    DeleteMessages,
    EditForumTopic,
    GetMe,
    SetMyCommands,
    TelegramMethod,
)
from aiogram.types import BotCommand, BotCommandScopeAllGroupChats, BotCommandScopeChat

from bot.clock import Clock
from bot.concurrency.retry import Backoff, Retry
from bot.config.settings import Settings
from bot.errors import ConfigError, Refused, TransportError, TransportUnavailable, Unauthorized
from bot.ports import Dispatcher, Handler, Inbox, Menu, ProcessRole
from bot.telegram.client.api import Api, NoMethod
from bot.telegram.group_rights import missing_rights
from bot.telegram.receiving import auto_answers, webhook
from bot.telegram.receiving.aiogram_routers import Routers
from bot.telegram.receiving.intake import Intake, UpdateHandlers
from bot.telegram.receiving.parsing import Me
from bot.telegram.receiving.polling import Poller
from bot.telegram.receiving.webhook_server import WebhookServer
from bot.telegram.receiving.webhook_watch import WebhookWatch
from bot.telegram.reply import Origin, TelegramReply
from bot.telegram.sending.delivery import Deliverer
from bot.telegram.sending.streaming import Mode
from bot.telemetry.outage import Outage
from bot.types import Address, Incoming, Kind

log = logging.getLogger(__name__)

BACKOFF = Backoff(0.5, 30.0)
MOST_DELETED = 100  # messages in one call
LONGEST_NAME = 128  # characters of the name of a topic


@dataclass(frozen=True, slots=True)
class Options:
    """How one bot sends and receives. `others` are the kinds of updates that only aiogram's routers handle."""

    streaming: Mode = "draft"
    webhook_url: str = ""
    webhook_secret: str = ""
    others: tuple[str, ...] = ()

    @classmethod
    def from_settings(cls, settings: Settings, routers: Routers | None = None) -> Options:
        """Return the options that the settings name; `routers` add the kinds of updates that they handle."""
        return cls(
            streaming=settings.streaming,
            webhook_url=settings.webhook_url,
            webhook_secret=settings.webhook_secret.get_secret_value(),
            others=routers.kinds if routers else (),
        )


ANY_PRIVATE = Address("telegram", 0, 1)  # stands for all private chats, which share one sequence of message ids


@dataclass(frozen=True, slots=True)
class ChatWork:
    """What a dispatcher asks for (`ports.ChatHost`): deliveries and updates of chats that this process works on."""

    deliverer: Deliverer
    intake: Intake

    async def recover(self) -> None:
        """Deliver and hand on, at a start, everything that an earlier run left."""
        await self.deliverer.recover()
        await self.intake.recover()

    async def adopt(self, place: str, known: set[int], *, interrupted: bool) -> None:
        """Deliver and hand on what another process left in a chat whose lease this process has just taken over.

        `known` gets the rows of the updates. `interrupted`: the process that held the lease is gone.
        """
        await self.deliverer.adopt(place)
        await self.intake.take(place, known, interrupted=interrupted)

    async def take(self, place: str, known: set[int]) -> None:
        """Deliver and hand on what has come since for a chat whose lease this process holds. `known` gets the rows."""
        await self.deliverer.look(place)
        await self.intake.take(place, known)

    @property
    def newest(self) -> int:
        """The highest known message id in the sequence that private chats share."""
        return self.deliverer.unconfirmed.newest_id(ANY_PRIVATE)

    def saw(self, message_id: int) -> None:
        """Note a message id of the private chats' sequence that another process has learned."""
        self.deliverer.unconfirmed.note_newest(ANY_PRIVATE, message_id)

    def leave(self, place: str) -> None:
        """Forget a chat whose lease this process has given up."""
        self.deliverer.leave(place)
        self.intake.leave(place)


class Telegram:
    """One bot on Telegram. Everything that it starts runs in `tasks`.

    `start` must come first. It sets `username` and `is_ready`, and `is_away` if it has to wait for Telegram. `attends`
    may be changed at any time. While this process takes updates, `poller` or `watch` is set, which health checks read.
    """

    def __init__(
        self,
        *,
        api: Api,
        inbox: Inbox,
        deliverer: Deliverer,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        hooks: WebhookServer,
        options: Options,
    ) -> None:
        self.api = api
        self.inbox = inbox
        self.clock = clock
        self.tasks = tasks
        self.hooks = hooks
        self.options = options
        self.deliverer = deliverer
        self.username = ""
        self.attends: set[int] = set()  # groups in which every message is for the bot
        self.has_accounts = False  # whether it works in chats of people's accounts; set before `start`
        self.has_desk = False  # whether operators work in groups; set before `start`
        self.is_ready = False
        self.is_away = asyncio.Event()  # set when the first call of `start` has found nobody
        self.poller: Poller | None = None
        self.watch: WebhookWatch | None = None
        self._intake_ends = AsyncExitStack()  # what `start` has begun, and `stop_intake` ends

    async def start(
        self, handler: Handler, menus: Sequence[Menu], engine: Dispatcher, role: ProcessRole = ProcessRole.ALL
    ) -> None:
        """Check the token, work on what an earlier run left, then take updates. Raises `ConfigError`.

        `menus` are the menus of private chats and of groups. `role` says whether this process takes updates, works on
        them, or both.
        """
        me = await self._get_me()
        self.username = me.username
        handlers = UpdateHandlers(
            reply=self._make_reply,
            handler=handler,
            note_id=self.deliverer.unconfirmed.note_id,
            returned=self.deliverer.topics.note_returned,
            dismiss=self._dismiss,
            others=self.options.others,
        )
        intake = Intake(
            api=self.api,
            inbox=self.inbox,
            clock=self.clock,
            me=me,
            tasks=self.tasks,
            handlers=handlers,
            at_once=engine.at_once,
        )
        if role.works:
            await engine.begin(ChatWork(self.deliverer, intake))
            self.tasks.create_task(self._set_menus(menus))  # a process that takes updates only may not know the models
        how = "takes no updates" if not role.takes else f"takes updates by {await self._take_updates(intake, engine)}"
        log.info("@%s %s", me.username, how)
        self.is_ready = True

    async def stop_intake(self) -> None:
        """Take no more updates, and confirm to Telegram the ones that were accepted."""
        await self._intake_ends.aclose()

    async def _take_updates(self, intake: Intake, engine: Dispatcher) -> str:
        """Begin to take updates, and return by which way."""
        options = self.options
        if not options.webhook_url:
            self._lead(engine, partial(self._poll, intake))
            return "polling"
        hook = webhook.Webhook(
            api=self.api, intake=intake, hooks=self.hooks, url=options.webhook_url, secret=options.webhook_secret
        )
        await hook.listen()
        self._lead(engine, partial(self._keep_webhook, hook, intake))
        self._intake_ends.push_async_callback(hook.close)
        return "webhook"

    def _lead(self, engine: Dispatcher, work: Callable[[], Awaitable[None]]) -> None:
        leading = self.tasks.create_task(engine.lead("intake", work))
        self._intake_ends.push_async_callback(self._end, leading)

    async def _end(self, leading: asyncio.Task[None]) -> None:
        poller = self.poller
        leading.cancel()
        await asyncio.wait({leading})
        if poller is not None:
            await poller.confirm()

    async def _keep_webhook(self, hook: webhook.Webhook, intake: Intake) -> None:
        """Set the webhook, and watch it until cancelled."""
        await hook.tell()
        self.watch = WebhookWatch(api=self.api, intake=intake, url=self.options.webhook_url, repair=hook.tell)
        try:
            await self.watch.run()
        finally:
            self.watch = None

    def link(self, code: str) -> str:
        """Return a link that opens a chat with the bot and sends `/start code` there."""
        return f"https://t.me/{self.username}?start={code}"

    def reply(self, address: Address, turn: str) -> TelegramReply:
        """Return a reply to an address without an update, for the answer `turn` of the outbox."""
        return TelegramReply(deliverer=self.deliverer, address=address, turn=turn)

    async def rename(self, address: Address, title: str) -> None:
        """Name the topic of an address, cut to 128 characters. A topic that can't be renamed keeps its name."""
        method = EditForumTopic(chat_id=address.chat, message_thread_id=address.thread, name=title[:LONGEST_NAME])
        try:
            await self.api.call(method)
        except Refused as error:
            log.info("chat %d: topic %d keeps its name: %s", address.chat, address.thread, error)

    async def missing_rights(self, chat: int) -> Sequence[str]:
        """Return what the bot lacks to make topics in a group: "supergroup" (it has no topics), "administrator", or the
        Bot API's names of rights. Waits until Telegram answers.
        """
        retry = Retry(self.clock, BACKOFF, on=TransportUnavailable)
        return await missing_rights(lambda method: retry.call(lambda: self.api.call(method)), self.api.id, chat)

    async def delete_topic(self, address: Address, messages: Sequence[int] = ()) -> None:
        """Delete a topic with all its messages; with a negative number, in a chat without topics, the bot's `messages`.
        What is gone already, or can't be deleted, is left.
        """
        try:
            for first in range(0, len(messages), MOST_DELETED):
                some = list(messages[first : first + MOST_DELETED])
                await self.api.call(DeleteMessages(chat_id=address.chat, message_ids=some))
            if address.thread > 0:
                await self.api.call(DeleteForumTopic(chat_id=address.chat, message_thread_id=address.thread))
        except Refused as error:
            log.warning("chat %d: topic %d was not deleted: %s", address.chat, address.thread, error)

    async def react(self, chat: int, message_id: int, emoji: str) -> None:
        """Put a reaction on a message, or with "" take it away. One that can't be put is left out."""
        await self.deliverer.react(chat, message_id, emoji)

    async def set_menu(self, address: Address, menu: Sequence[tuple[str, str]]) -> None:
        """Show these commands in the menu of one chat, whatever the language of the user's app.

        A chat that can't be reached keeps its menu. Raises `TransportUnavailable`.
        """
        rows = [BotCommand(command=name, description=text) for name, text in menu]
        try:
            await self.api.call(SetMyCommands(commands=rows, scope=BotCommandScopeChat(chat_id=address.chat)))
        except (Refused, NoMethod) as error:
            log.info("chat %d keeps its menu: %s", address.chat, error)

    def _make_reply(self, incoming: Incoming, callback: str) -> TelegramReply:
        origin = Origin(
            private=incoming.private,
            language=incoming.user.language,
            callback=callback if incoming.kind in (Kind.BUTTON, Kind.STOP) else "",
            message_id=incoming.message_id,
            opens=incoming.opens,
        )
        return TelegramReply(
            deliverer=self.deliverer,
            address=incoming.address,
            turn=incoming.id,
            mode=self.options.streaming,
            origin=origin,
        )

    def _dismiss(self, update: dict[str, Any]) -> None:
        if (method := auto_answers.dismissal(update)) is not None:
            self.tasks.create_task(self._answer_dismissed(method))

    async def _answer_dismissed(self, method: TelegramMethod[bool]) -> None:
        try:
            await self.api.call(method, deadline=auto_answers.DEADLINE)
        except TransportError as error:  # the question has expired meanwhile
            log.debug("a question of Telegram was not answered: %s", error)

    async def _get_me(self) -> Me:
        """Ask `getMe` until Telegram answers: at a boot the network may come up later than the bot.

        Raises `ConfigError` if Telegram does not know the token.
        """
        outage, retry = Outage("reaching Telegram", self.clock), Retry(self.clock, BACKOFF, on=TransportUnavailable)

        def failed(error: Exception, _pause: float) -> None:
            outage.failed(str(error))
            self.is_away.set()

        try:
            me = await retry.call(lambda: self.api.call(GetMe()), failed=failed)
        except (Unauthorized, Refused):
            raise ConfigError("BOT_TOKEN: Telegram does not know it; copy it anew from @BotFather") from None
        outage.over()
        return Me(
            self.api.id,
            str(me.get("username") or ""),
            int(me["id"]),
            self.attends,
            has_accounts=self.has_accounts,
            has_desk=self.has_desk,
        )

    async def _poll(self, intake: Intake) -> None:
        self.poller = poller = Poller(api=self.api, intake=intake, clock=self.clock)
        try:
            await webhook.remove(self.api)
        except NoMethod as error:  # `Api` has logged a warning
            log.debug("webhooks: %s", error)
        except TransportError as error:  # the first poll will log what is wrong
            log.warning("can't see whether a webhook is set: %s", error)
        try:
            await poller.run()
        finally:
            self.poller = None

    async def _set_menus(self, menus: Sequence[Menu]) -> None:
        try:
            for menu in menus:
                rows = [
                    BotCommand(command=name, description=text, is_ephemeral=name in menu.ephemeral or None)
                    for name, text in menu.commands
                ]
                scope = BotCommandScopeAllGroupChats() if menu.of_groups else None
                await self.api.call(SetMyCommands(commands=rows, scope=scope, language_code=menu.language or None))
        except NoMethod as error:  # `Api` has logged a warning
            log.debug("the menu of commands: %s", error)
        except TransportError as error:  # the menu is a convenience: the bot works without
            log.warning("the menu of commands was not set: %s", error)
