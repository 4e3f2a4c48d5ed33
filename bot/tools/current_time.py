"""The tool `current_time`, as models don't know what day it is."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

from bot.errors import BadInput
from bot.tools.tool import Tool, ToolContext

ABOUT = (
    r"\b(?:time|clock|date|today|tonight|tomorrow|yesterday|weekday|now)\b|\b(?:what|which) (?:day|month|year)\b"
    r"|\bday is\b|\bврем(?:я|ени)\b|\bкоторый час|\bчасы?\b|сегодня|завтра|вчера|сейчас|\bдат[аыу]\b|день недели"
    r"|какой (?:день|месяц|год)|какое число"
)


async def current_time(asker: ToolContext, zone: str = "") -> str:
    """The current date, weekday and time.

    zone: an IANA time zone such as Europe/Moscow; empty for the user's own
    """
    name = zone.strip() or asker.zone
    now = datetime.fromtimestamp(asker.clock.time(), UTC).astimezone(_zone(name))
    offset = f"{now:%z}"[:3] + ":" + f"{now:%z}"[3:5]
    told = f"{now:%A}, {now:%Y-%m-%d %H:%M:%S}, {name or 'UTC'} ({offset} from UTC)"
    return told if name else f"{told}; the user's time zone is not known"


@cache
def tool() -> Tool:
    """Return the tool `current_time`, which tells a model the date and the time."""
    return Tool.of(current_time, deadline=5.0, about=ABOUT)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, OSError, LookupError):
        raise BadInput(f"{name[:64]!r} is no IANA time zone; one looks like Europe/Moscow") from None
