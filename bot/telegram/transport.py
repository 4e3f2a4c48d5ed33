"""Telegram as a transport: starts and stops the intake, the delivery and what is between them, in the right order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import bot.telegram.client.fast_import  # noqa: F401  isort: skip  before aiogram

from aiogram.methods import EditForumTopic, GetMe, SetMyCommands, TelegramMethod
from aiogram.types import BotCommand, BotCommandScopeAllGroupChats

from bot.clock import Clock
from bot.concurrency.retry import Backoff, Retry
from bot.config.settings import Settings
from bot.errors import ConfigError, Refused, TransportError, TransportUnavailable, Unauthorized
from bot.ports import Dispatcher, Handler, Inbox, ProcessRole
from bot.telegram.client.api import Api, NoMethod
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


class Telegram:
    """One bot on Telegram. Everything that it starts runs in `tasks`.

    `start` must come first. It sets `username` and `is_ready`; while this process takes updates, `poller` or `watch` is
    set, which health checks read.
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
        self.is_ready = False
        self.poller: Poller | None = None
        self.watch: WebhookWatch | None = None
        self._intake: Intake | None = None
        self._webhook: webhook.Webhook | None = None
        self._leading: asyncio.Task[None] | None = None

    async def start(
        self,
        handler: Handler,
        menu: Mapping[str, Sequence[tuple[str, str]]],
        engine: Dispatcher,
        unseen: Collection[str] = (),
        role: ProcessRole = ProcessRole.ALL,
    ) -> None:
        """Check the token, work on what an earlier run left, then take updates. Raises `ConfigError`.

        `menu` has names and descriptions of commands by language. In groups, commands in `unseen` are sent so that only
        the bot sees them. `role` says whether this process takes updates, works on them, or both.
        """
        me = await self._get_me()
        self.username = me.username
        handlers = UpdateHandlers(
            reply=self._make_reply,
            handler=handler,
            note_id=self.deliverer.unconfirmed.note_id,
            dismiss=self._dismiss,
            others=self.options.others,
        )
        self._intake = intake = Intake(
            api=self.api,
            inbox=self.inbox,
            clock=self.clock,
            me=me,
            tasks=self.tasks,
            handlers=handlers,
            at_once=engine.at_once,
        )
        if role.works:
            await engine.begin(self)
            self.tasks.create_task(
                self._set_menu(menu, unseen)
            )  # a process that takes updates only may not know the models
        if role.takes:
            await self._take_updates(intake, engine)
        how = "takes no updates" if not role.takes else f"takes updates by {'webhook' if self._webhook else 'polling'}"
        log.info("@%s %s", me.username, how)
        self.is_ready = True

    async def stop_intake(self) -> None:
        """Take no more updates, and confirm to Telegram the ones that were accepted."""
        poller = self.poller
        if self._webhook is not None:
            await self._webhook.close()
        if self._leading is not None:
            self._leading.cancel()
            await asyncio.wait({self._leading})
        if poller is not None:
            await poller.confirm()

    # --- `ports.ChatHost`: what a dispatcher asks for --------------------------------------------------------------

    async def recover(self) -> None:
        """Deliver and hand on, at a start, everything that an earlier run left."""
        await self.deliverer.recover()
        await self._started_intake.recover()

    async def adopt(self, place: str, known: set[int], *, interrupted: bool) -> None:
        """Deliver and hand on what another process left in a chat whose lease this process has just taken over.

        `known` gets the rows of the updates. `interrupted`: the process that held the lease is gone.
        """
        await self.deliverer.adopt(place)
        await self._started_intake.take(place, known, interrupted=interrupted)

    async def take(self, place: str, known: set[int]) -> None:
        """Deliver and hand on what has come since for a chat whose lease this process holds. `known` gets the rows."""
        await self.deliverer.look(place)
        await self._started_intake.take(place, known)

    @property
    def newest(self) -> int:
        """The highest known message id in the sequence that private chats share."""
        return self.deliverer.unconfirmed.newest_id(1)

    def saw(self, message_id: int) -> None:
        """Note a message id of that sequence that another process has learned."""
        self.deliverer.unconfirmed.note_newest(1, message_id)

    def leave(self, place: str) -> None:
        """Forget a chat whose lease this process has given up."""
        self.deliverer.leave(place)
        self._started_intake.leave(place)

    @property
    def _started_intake(self) -> Intake:
        assert self._intake is not None  # noqa: S101  an engine begins after it was made
        return self._intake

    # ------------------------------------------------------------------------------------------------------------------

    async def _take_updates(self, intake: Intake, engine: Dispatcher) -> None:
        options = self.options
        if options.webhook_url:
            self._webhook = webhook.Webhook(
                api=self.api, intake=intake, hooks=self.hooks, url=options.webhook_url, secret=options.webhook_secret
            )
            await self._webhook.listen()
            work = partial(self._keep_webhook, self._webhook, intake)
        else:
            work = partial(self._poll, intake)
        self._leading = self.tasks.create_task(engine.lead("intake", work))

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

        Raises `ConfigError` where Telegram does not know the token.
        """
        outage, retry = Outage("reaching Telegram", self.clock), Retry(self.clock, BACKOFF, on=TransportUnavailable)
        try:
            me = await retry.call(lambda: self.api.call(GetMe()), failed=lambda error, _: outage.failed(str(error)))
        except (Unauthorized, Refused):
            raise ConfigError("BOT_TOKEN: Telegram does not know it; copy it anew from @BotFather") from None
        outage.over()
        return Me(self.api.id, str(me.get("username") or ""), int(me["id"]))

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

    async def _set_menu(self, menu: Mapping[str, Sequence[tuple[str, str]]], unseen: Collection[str]) -> None:
        try:
            for language, commands in menu.items():
                for scope, hidden in ((None, ()), (BotCommandScopeAllGroupChats(), unseen)):
                    rows = [
                        BotCommand(command=name, description=text, is_ephemeral=name in hidden or None)
                        for name, text in commands
                    ]
                    await self.api.call(SetMyCommands(commands=rows, scope=scope, language_code=language or None))
        except NoMethod as error:  # `Api` has logged a warning
            log.debug("the menu of commands: %s", error)
        except TransportError as error:  # the menu is a convenience: the bot works without
            log.warning("the menu of commands was not set: %s", error)
