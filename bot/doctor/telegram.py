"""Checks of Telegram: the token, the bot behind it, and how its updates are delivered. Begin with `check_telegram`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from bot.config.settings import WHERE, Settings
from bot.doctor.desk import check_groups
from bot.doctor.finding import PATIENCE, Finding, fail, host_and_port, ok, secret, warn
from bot.errors import ConfigError, Refused, TransportError, Unauthorized

BACKLOG = 100  # more unconfirmed updates than this are a warning


async def check_telegram(settings: Settings) -> AsyncIterator[Finding]:
    """Check whether Telegram can be reached and knows the token, and whether webhook and settings agree."""
    from bot.telegram.client.api import Api  # isort: skip  must come before aiogram
    from aiogram.methods import GetMe, GetWebhookInfo

    try:
        api = Api(
            token=secret(settings.bot_token), url=settings.telegram_api_url, proxy=secret(settings.telegram_proxy)
        )
    except (ConfigError, ValueError, RuntimeError) as error:  # the library refuses the token or the proxy
        yield fail("telegram", str(error), "Look at BOT_TOKEN and TELEGRAM_PROXY")
        return
    try:
        me = await api.call(GetMe(), deadline=PATIENCE)
        yield _me(me)
        async for finding in check_groups(settings, api, me):
            yield finding
        yield _updates(settings, await api.call(GetWebhookInfo(), deadline=PATIENCE))
    except (Unauthorized, Refused):
        yield fail("telegram", "Telegram does not know this BOT_TOKEN", f"{WHERE['bot_token']} (or /mybots, API Token)")
    except TransportError as error:
        yield fail("telegram", f"{host_and_port(settings.telegram_api_url)}: {error}", _way_to_telegram(settings))
    finally:
        await api.close()


def _me(me: dict[str, Any]) -> Finding:
    topics = "on" if me.get("has_topics_enabled") else "off"
    groups = "everything" if me.get("can_read_all_group_messages") else "only what is meant for it"
    name, id_ = me.get("username"), me["id"]
    return ok("telegram", f"@{name} ({id_}); topics in private chats: {topics}; in groups it sees {groups}")


def _updates(settings: Settings, info: dict[str, Any]) -> Finding:
    url, count = info.get("url", ""), info.get("pending_update_count", 0)
    waiting = f"{count} updates wait"
    if url and not settings.webhook_url:
        text = f"a webhook at {host_and_port(url)} is set, but WEBHOOK_URL is empty; {waiting}"
        advice = "Another program may use this bot: `govorun run` takes the webhook away. Use a bot of its own for each"
        return warn("updates", text, advice)
    if url and url != settings.webhook_url:
        text = f"the webhook is set to {host_and_port(url)}, not to WEBHOOK_URL; {waiting}"
        return warn("updates", text, "`govorun run` sets it to WEBHOOK_URL")
    if url and (problem := info.get("last_error_message")):
        text = f"Telegram could not deliver to the webhook: {problem}; {waiting}"
        return warn("updates", text, f"WEBHOOK_URL must lead to {settings.webhook_host}:{settings.webhook_port}")
    if count > BACKLOG:
        return warn("updates", waiting, "The bot answers them when it runs; if it does run, look at its log")
    return ok("updates", f"by {'webhook' if settings.webhook_url else 'polling'}; {waiting}")


def _way_to_telegram(settings: Settings) -> str:
    if proxy := secret(settings.telegram_proxy):
        return f"Is the proxy {host_and_port(proxy)} (TELEGRAM_PROXY) up, and does it lead there?"
    return "Is Telegram open from this network? If not: TELEGRAM_PROXY, or TELEGRAM_API_URL for a server of your own"
