"""Files that came with a message: fetched whole, or refused in a way that tells nothing of the token (F31, T3)."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.errors import Refused, TooLarge, TransportUnavailable
from bot.ports import Received
from bot.telegram.client.api import Api
from bot.telegram.client.files import LARGEST, fetch
from bot.telegram.receiving.parsing import Me, read
from bot.texts.catalog import say
from bot.types import Attachment
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import inbox, rows

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndata"


def _api(stage: Stage) -> Api:
    return Api(token=stage.telegram.token, url=stage.telegram.url)


def _sent(stage: Stage, data: bytes) -> Attachment:
    document = stage.telegram.upload(ANNA, data, "document", name="a b.txt")["document"]
    return Attachment("document", document["file_id"], document["file_size"])


async def test_a_file_is_fetched_whole(stage: Stage) -> None:
    api, data = _api(stage), bytes(range(256)) * 4_000
    assert await fetch(api, stage.clock, _sent(stage, data)) == data
    await api.close()


@pytest.mark.parametrize("method", ["getFile", "file"])
@pytest.mark.parametrize(
    "fault", [{"code": 502}, {"reset": True}, {"raw": HALF}, {"code": 429, "parameters": {"retry_after": 3}}]
)
async def test_a_file_is_asked_for_again_where_the_connection_broke(
    stage: Stage, method: str, fault: dict[str, Any]
) -> None:
    api = _api(stage)
    stage.telegram.fail_next(method, **fault)
    assert await fetch(api, stage.clock, _sent(stage, b"data")) == b"data"
    await api.close()


async def test_what_is_too_large_is_not_even_asked_for(stage: Stage) -> None:
    api = _api(stage)
    with pytest.raises(TooLarge) as caught:
        await fetch(api, stage.clock, Attachment("document", "x", LARGEST + 1))
    assert caught.value.limit == LARGEST == 20 * 1024 * 1024
    assert stage.telegram.calls_of("getFile") == []
    big = _sent(stage, b"x" * (LARGEST + 1))
    with pytest.raises(TooLarge):  # the size was not told
        await fetch(api, stage.clock, Attachment("document", big.ref))
    await api.close()


async def test_no_error_and_no_log_of_a_download_holds_the_token(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api, secret = _api(stage), stage.telegram.token.partition(":")[2]
    gone = _sent(stage, b"data")
    for method, fault in (("file", {"code": 404}), ("file", {"reset": True}), ("getFile", {"code": 400})):
        stage.telegram.fail_next(method, times=3, **fault)
        with pytest.raises((Refused, TransportUnavailable)) as caught:
            await fetch(api, stage.clock, gone)
        assert secret not in f"{caught.value!r}{caught.value.__cause__!r}{caught.value.__context__!r}" or (
            caught.value.__suppress_context__
        )
        assert secret not in str(caught.value)
    assert secret not in caplog.text
    await api.close()


async def test_f31_a_file_that_can_not_be_had_is_told_and_nothing_of_it_is_kept(stage: Stage) -> None:
    await stage.start()
    faults: list[tuple[str, dict[str, Any]]] = [
        ("file.gone", {"code": 404}), ("file.unavailable", {"raw": HALF}), ("file.unavailable", {"reset": True}),
        ("file.large", {"code": 0}),  # nothing is wrong but its size
    ]  # fmt: skip
    for number, (key, fault) in enumerate(faults, 1):
        met = stage.telegram.fail_next("file", times=None, **fault)
        size = LARGEST + 1 if key == "file.large" else 8
        stage.telegram.upload(ANNA, b"x" * size, "document", name="a.txt", caption="What does it say?")
        assert (await stage.texts(number))[-1] == say("en", key, limit=20)
        met.remove()
    assert stage.prompts() == []
    assert rows(stage, "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM messages)") == [(0, 0)]
    assert set(inbox(stage)) == {"done"}


def test_what_came_with_a_message_is_read_with_its_type_and_name() -> None:
    def parts(**content: Any) -> list[Attachment]:
        body = {"message_id": 5, "chat": {"id": 7}, "from": {"id": 7}, **content}
        incoming = read({"update_id": 1, "message": body}, _row(), Me(1, "bot"))
        assert incoming is not None
        return [part for part in incoming.parts if isinstance(part, Attachment)]

    photo = [{"file_id": "small"}, {"file_id": "large", "file_size": 9}]
    assert parts(photo=photo) == [Attachment("photo", "large", 9, "image/jpeg")]
    sticker = {"file_id": "s", "emoji": "😀"}
    assert parts(sticker=sticker) == [Attachment("sticker", "s", 0, "image/webp", "😀")]
    assert parts(sticker={**sticker, "is_animated": True})[0].mime == "application/x-tgsticker"
    assert parts(sticker={**sticker, "is_video": True})[0].mime == "video/webm"
    voice = {"file_id": "v", "duration": 12, "mime_type": "audio/OGG"}
    assert parts(voice=voice) == [Attachment("voice", "v", 0, "audio/ogg", "", 12)]
    answered = {"message_id": 4, "photo": photo}
    assert parts(text="what is it?", reply_to_message=answered) == [
        Attachment("photo", "large", 9, "image/jpeg", quoted=True)
    ]
    assert parts(text="and this?", reply_to_message={"message_id": 4, "video": {"file_id": "v"}}) == []


def _row() -> Received:
    return Received(1, 1, 1, "", 0, datetime(2026, 11, 21, tzinfo=UTC))
