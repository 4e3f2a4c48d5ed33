"""Operations of AI Studio: tasks that are submitted now and polled later. Begin with `order`, then poll `outcome`.

Each accepted request is paid, so one is repeated only if it can't have been accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.ai import Answered, Chunk, Failed, Finish, Pending
from bot.errors import ModelProtocolError, OutcomeUnknown
from bot.http.framing import mapping
from bot.providers.account import Account
from bot.providers.error_mapping import REFUSED, printable

SUBMITTING = 30.0
POLLING = 30.0
OPERATION = re.compile(r"[A-Za-z0-9_-]{1,64}")
CANCELLED, INVALID_ARGUMENT = 1, 3
UNKNOWN = Failed("the service does not know the operation, or its result has expired")


async def order(account: Account, url: str, body: dict[str, Any], *, within: float = SUBMITTING) -> str:
    """Submit a task and return the id of its operation. Raises `OutcomeUnknown` if it may have been accepted."""
    answer = await account.post(url, body, within=within, repeatable=False)
    try:
        id = mapping(answer.json()).get("id")
    except ModelProtocolError:
        id = None
    if not isinstance(id, str) or not OPERATION.fullmatch(id):
        trace = answer.headers.get("x-server-trace-id", "")
        raise OutcomeUnknown("the order was taken, but its operation has no id", trace=trace)
    return id


async def outcome(account: Account, url: str, operation: str) -> Mapping[str, Any] | Pending | Failed:
    """Return the response of an operation below `url`, `Pending` or `Failed`. Raises `ModelError`s if its state is
    unknown.
    """
    value = await asked(account, url, operation)
    if value is None:
        return UNKNOWN
    if value.get("done") is not True:
        return Pending()
    error = mapping(value.get("error"))
    if code := error.get("code"):  # code 0 stands beside results too
        message = str(error.get("message") or "")
        refused = code == INVALID_ARGUMENT or bool(REFUSED.search(message))
        return Failed(printable(message) or f"code {code}", refused=refused)
    return mapping(value.get("response"))


async def cancelled(account: Account, url: str, operation: str) -> bool:
    """Cancel an operation (with a GET, as the API wants it) and return whether it was cancelled."""
    value = await asked(account, url, operation, ":cancel")
    return mapping(mapping(value).get("error")).get("code") == CANCELLED


async def asked(account: Account, url: str, operation: str, suffix: str = "") -> Mapping[str, Any] | None:
    """Return the JSON of an operation, None if the service does not know this operation."""
    if not OPERATION.fullmatch(operation):
        return None
    answer = await account.ask("GET", f"{url}/{operation}{suffix}", until=account.clock.monotonic() + POLLING)
    if answer.status == 404:
        return None
    value = answer.json()
    if not isinstance(value, Mapping):
        raise ModelProtocolError("an operation is not an object")
    return value


def answered(chunk: Chunk | None) -> Answered | Failed:
    """Return the answer that an operation has produced, or `Failed` if the answer has no text."""
    if chunk is None or not chunk.text.strip():
        return Failed("the operation ended without an answer")
    return Answered(chunk.text, chunk.finish or Finish.STOP, chunk.usage)
