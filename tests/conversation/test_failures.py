"""What servers' refusals mean: bot/providers/error_mapping.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.errors import (
    ContextOverflow,
    ModelDenied,
    ModelError,
    ModelProtocolError,
    ModelRefused,
    ModelUnavailable,
    OutcomeUnknown,
)
from bot.providers.error_mapping import Unauthenticated, refusal

GAUGE = "ai.textGenerationCompletionSessionsCount.count gauge quota limit exceed: allowed 10 requests"
TOO_MANY = "folder_id=b1g: number of input tokens must be no more than 32768, got 56832"
MISMATCH = "Specified folder ID 'x' does not match with service account folder ID 'y'"
NO_PICTURE = "it is not possible to generate an image from this request because it may violate the terms of use"


def streamed(code: int, message: str) -> bytes:
    return json.dumps({"error": {"grpcCode": code, "httpCode": 0, "message": message, "details": []}}).encode()


def unary(code: int, message: str) -> bytes:
    return json.dumps({"error": message, "code": code, "message": message, "details": []}).encode()


@pytest.mark.parametrize("shape", [streamed, unary])
@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (429, 8, GAUGE, ModelUnavailable),
        (429, 8, "the billing account is not active", ModelDenied),
        (403, 7, "Оплатите счёт", ModelDenied),
        (401, 16, "Unknown api key", Unauthenticated),
        (403, 7, "Permission denied", ModelDenied),
        (400, 3, MISMATCH, ModelDenied),
        (401, 16, MISMATCH, ModelDenied),
        (400, 3, "Failed to parse model URI", ModelDenied),
        (404, 5, "no such model", ModelDenied),
        (501, 12, "not implemented", ModelDenied),
        (400, 3, TOO_MANY, ContextOverflow),
        (400, 3, "text length is 349354, which is outside the range (0, 100000]", ContextOverflow),
        (400, 3, "text length is 0, which is outside the range (0, 100000]", ModelRefused),
        (400, 3, NO_PICTURE, ModelRefused),
        (500, 13, "internal", ModelUnavailable),
        (503, 14, "unavailable", ModelUnavailable),
        (504, 4, "deadline", ModelUnavailable),
    ],
)
def test_errors_are_told_apart_in_both_shapes(
    shape: Any, status: int, code: int, message: str, kind: type[ModelError]
) -> None:
    error = refusal(status, shape(code, message), retry_after=2, trace="t1")
    assert type(error) is kind
    assert error.trace == "t1"
    assert message in str(error)
    if isinstance(error, ModelUnavailable):
        assert error.retry_after == 2


def test_an_overflow_tells_the_limit_and_what_was_given() -> None:
    error = refusal(400, unary(3, TOO_MANY))
    assert isinstance(error, ContextOverflow)
    assert (error.limit, error.given) == (32768, 56832)


@pytest.mark.parametrize("body", [b"", b"<html><h1>Bad Gateway</h1>", b"[]", b"null", b'{"error":null}', b"\xff" * 9])
def test_a_body_without_words_is_judged_by_its_status(body: bytes) -> None:
    assert type(refusal(502, body)) is ModelUnavailable
    assert type(refusal(403, body)) is ModelDenied
    assert type(refusal(204, body)) is ModelProtocolError
    assert "html" not in str(refusal(502, body))


@pytest.mark.parametrize("body", [b'{"detail":"words"}', b'{"message":"words"}', b'{"error":"words"}'])
def test_the_server_s_words_are_found_wherever_they_stand(body: bytes) -> None:
    assert "words" in str(refusal(400, body))


def test_the_server_s_words_are_one_short_line() -> None:
    text = str(refusal(400, unary(3, "a\n2099 CRITICAL \x1b[31m" + "x" * 1000)))
    assert len(text) < 400
    assert text.isprintable()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(500, 13, OutcomeUnknown), (504, 4, OutcomeUnknown), (503, 0, OutcomeUnknown), (503, 14, ModelUnavailable),
     (429, 8, ModelUnavailable), (400, 3, ModelRefused)],
)  # fmt: skip
def test_a_paid_request_is_only_repeatable_where_it_was_not_started(
    status: int, code: int, kind: type[ModelError]
) -> None:
    assert type(refusal(status, unary(code, "x"), repeatable=False)) is kind
