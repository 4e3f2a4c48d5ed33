"""The native stream as bytes, for the tests that need one that no server should send."""

from __future__ import annotations

import json
from typing import Any

FINAL = "ALTERNATIVE_STATUS_FINAL"
PARTIAL = "ALTERNATIVE_STATUS_PARTIAL"
COUNTED = {"inputTextTokens": "9", "completionTokens": "3", "totalTokens": "12"}


def line(text: Any, status: str = PARTIAL, usage: Any = None, **more: Any) -> bytes:
    """One line of a stream: the whole text so far, in ASCII (halves of characters stay what they are)."""
    said = {"message": {"role": "assistant", "text": text}, "status": status}
    result = {"alternatives": [said], "usage": COUNTED if usage is None else usage, "modelVersion": "1", **more}
    return json.dumps({"result": result}).encode() + b"\n"


def whole(text: Any, **more: Any) -> bytes:
    return line(text, FINAL, **more)


def failure(grpc: int, message: str = "broken") -> bytes:
    return json.dumps({"error": {"grpcCode": grpc, "message": message, "details": []}}).encode() + b"\n"
