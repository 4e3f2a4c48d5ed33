"""What a child process answers for a file, without a child process: for tests of what opens the kinds of files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.concurrency.child_process import call


def refusal(function: Callable[..., Any], data: bytes, *arguments: object) -> str:
    """The reason why the file is not opened, "broken" where a library raised; "" where it is opened."""
    name = f"{function.__module__}:{function.__qualname__}"
    answer, _ = call({"function": name, "arguments": arguments, "options": {}}, data)
    return str(answer.get("refused") or ("broken" if "failed" in answer else ""))
