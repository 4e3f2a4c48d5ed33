"""How long a server of a model wishes to be left alone."""

from __future__ import annotations

import pytest

from bot.http.framing import retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("", 0), ("3", 3), ("1.5", 1.5), ("-4", 0), ("soon", 0), ("9" * 400, 3600), ("Thu, 01 Jan 1970 00:01:40 GMT", 40)],
)
def test_retry_after_is_read_in_every_form(value: str, seconds: float) -> None:
    assert retry_after({"retry-after": value}, now=60) == seconds
