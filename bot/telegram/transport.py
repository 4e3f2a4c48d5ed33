"""Telegram as a whole: intake, delivery and what is between them, started and stopped in the right order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bot.telegram.lazy  # noqa: F401  isort: skip  before aiogram

from aiogram.methods import EditForumTopic, GetMe, SetMyCommands, TelegramMethod
from aiogram.types import BotCommand, BotCommandScopeAllGroupChats

from bot.boxes import Inbox, Outbox
from bot.clock import Clock
from bot.errors import ConfigError, Refused, TransportError, TransportUnavailable, Unauthorized
from bot.outage import Outage
from bot.telegram import queries, webhook
from bot.telegram.api import Api
from bot.telegram.budget import Budget
from bot.telegram.delivery import Deliverer
from bot.telegram.intake import Intake
from bot.telegram.live import Mode
from bot.telegram.polling import Poller
from bot.telegram.reply import TelegramReply
from bot.telegram.updates import Me
from bot.telegram.watch import Watch
from bot.types import Address, Handler, Incoming, Kind

log = logging.getLogger(__name__)

FIRST_BACKOFF, LAST_BACKOFF = 0.5, 30.0
LONGEST_NAME = 128  # characters of the name of a topic


@dataclass(frozen=True, slots=True)
class Options:
    """`rate` and `chat_rate`: messages a second over all chats and in a private one; 0 is no limit of our own.

    `others` are kinds of updates that handlers know which are not ours.
    """

    streaming: Mode = "draft"
    rich: bool = True
    rate: float = 28.0
    chat_rate: float = 1.0
    webhook_url: str = ""
    webhook_secret: str = ""
    webhook_host: str = "127.0.0.1"
    webhook_port: int = 8443
    others: tuple[str, ...] = ()


class Telegram:
    """One bot on Telegram. `tasks` holds everything that it starts."""

    def __init__(
        self, api: Api, inbox: Inbox, outbox: Outbox, clock: Clock, tasks: asyncio.TaskGroup, options: Options
    ) -> None:
        self.api = api
        self.inbox = inbox
        self.clock = clock
        self.tasks = tasks
        self.options = options
        budget = Budget(options.rate, options.chat_rate)
        self.deliverer = Deliverer(api, outbox, budget, clock, tasks, options.rich)
        self.username = ""
        self.poller: Poller | None = None
        self.watch: Watch | None = None
        self._webhook: webhook.Webhook | None = None
        self._watching: asyncio.Task[None] | None = None
        self._polling: asyncio.Task[None] | None = None

    async def start(
        self, handler: Handler, menu: Mapping[str, Sequence[tuple[str, str]]], unseen: Collection[str] = ()
    ) -> None:
        """Say who we are, deliver and work on what is left, then take updates. Raises `ConfigError`.

        `menu` has names and descriptions by language; in groups the commands in `unseen` are seen by the bot alone.
        """
        me = await self._me()
        self.username = me.username
        await self.deliverer.recover()
        intake = Intake(
            self.inbox, self.clock, me, self._reply, handler, self.deliverer.saw, self._dismiss, self.tasks,
            self.api.metrics, self.options.others,
        )  # fmt: skip
        await intake.recover()
        options = self.options
        if options.webhook_url:
            self._webhook = webhook.Webhook(
                self.api, intake, url=options.webhook_url, secret=options.webhook_secret,
                host=options.webhook_host, port=options.webhook_port,
            )  # fmt: skip
            await self._webhook.start()
            self.watch = Watch(self.api, intake, options.webhook_url)
            self._watching = self.tasks.create_task(self.watch.run())
        else:
            self.poller = Poller(self.api, intake, self.clock)
            self._polling = self.tasks.create_task(self._poll(self.poller))
        self.tasks.create_task(self._set_menu(menu, unseen))
        log.info("@%s takes updates by %s", me.username, "webhook" if self._webhook else "polling")

    @property
    def takes_updates(self) -> bool:
        return self.poller is not None or self.watch is not None

    async def stop_intake(self) -> None:
        """No new updates from here on; Telegram is told which ones we have."""
        if self._webhook is not None:
            await self._webhook.close()
        if self._watching is not None:
            self._watching.cancel()
        if self.poller is not None and self._polling is not None:
            self._polling.cancel()
            await asyncio.wait({self._polling})
            await self.poller.confirm()

    def link(self, code: str) -> str:
        """What opens a chat with the bot and says `/start code` there."""
        return f"https://t.me/{self.username}?start={code}"

    def reply(self, address: Address, turn: str) -> TelegramReply:
        return TelegramReply(self.deliverer, address, turn)

    async def rename(self, address: Address, title: str) -> None:
        method = EditForumTopic(chat_id=address.chat, message_thread_id=address.thread, name=title[:LONGEST_NAME])
        try:
            await self.api.call(method)
        except Refused as error:
            log.info("chat %d: topic %d keeps its name: %s", address.chat, address.thread, error)

    def _reply(self, incoming: Incoming, callback: str) -> TelegramReply:
        return TelegramReply(
            self.deliverer, incoming.address, incoming.id, self.options.streaming, incoming.private,
            incoming.user.language, callback if incoming.kind in (Kind.BUTTON, Kind.STOP) else "", incoming.message_id,
            incoming.opens,
        )  # fmt: skip

    def _dismiss(self, update: dict[str, Any]) -> None:
        if (method := queries.dismissal(update)) is not None:
            self.tasks.create_task(self._say_no(method))

    async def _say_no(self, method: TelegramMethod[bool]) -> None:
        try:
            await self.api.call(method, deadline=queries.DEADLINE)
        except TransportError as error:  # it has run out meanwhile
            log.debug("a question of Telegram was not answered: %s", error)

    async def _me(self) -> Me:
        """Ask until there is an answer: at a boot the network may come later than we do."""
        wait, outage = FIRST_BACKOFF, Outage("reaching Telegram", self.clock)
        while True:
            try:
                me = await self.api.call(GetMe())
                outage.over()
                return Me(me["id"], me.get("username", ""))
            except (Unauthorized, Refused):
                raise ConfigError("BOT_TOKEN: Telegram does not know it; copy it anew from @BotFather") from None
            except TransportUnavailable as error:
                outage.failed(str(error))
                await self.clock.sleep(max(error.retry_after, wait))
                wait = min(wait * 2, LAST_BACKOFF)

    async def _poll(self, poller: Poller) -> None:
        try:
            await webhook.remove(self.api)
        except TransportError as error:  # then the first poll says what is wrong
            log.warning("can't see whether a webhook is set: %s", error)
        await poller.run()

    async def _set_menu(self, menu: Mapping[str, Sequence[tuple[str, str]]], unseen: Collection[str]) -> None:
        try:
            for language, commands in menu.items():
                for scope, hidden in ((None, ()), (BotCommandScopeAllGroupChats(), unseen)):
                    rows = [
                        BotCommand(command=name, description=text, is_ephemeral=name in hidden or None)
                        for name, text in commands
                    ]
                    await self.api.call(SetMyCommands(commands=rows, scope=scope, language_code=language or None))
        except TransportError as error:  # the menu is a convenience: the bot works without
            log.warning("the menu of commands was not set: %s", error)
