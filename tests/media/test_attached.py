"""Pictures in a question: seen by a model that can, pointed to one that can by a model that can't."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest
from PIL import Image as Pillow

from bot.ai import Chunk, Finish, Profile, Request, Usage
from bot.llm.routing import ModelOption, Routing
from bot.media.images import LONG_SIDE, scaled
from bot.texts.catalog import say
from bot.types import Image
from tests.support.opening import refusal
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows


@dataclass
class Listed:
    """A model that says what it sees: the words, and the sizes of the pictures."""

    name: str
    profile: Profile
    requests: list[Request] = field(default_factory=list)

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        self.requests.append(request)
        last = request.messages[-1]
        sizes = [_size(part.data) for part in last.parts if isinstance(part, Image)]
        yield Chunk(f"{self.name}: {last.text!r} {sizes}", finish=Finish.STOP, usage=Usage(10, 5))


def offers(stage: Stage, *, seeing: bool = True) -> tuple[Listed, Listed]:
    """A blind model, which is the default, and one that sees where `seeing`."""
    blind, other = Listed("blind", Profile()), Listed("eyes", Profile(vision=seeing))
    stage.given["routing"] = Routing([ModelOption("blind", "Blind", blind), ModelOption("eyes", "Eyes", other)])
    return blind, other


def _size(data: bytes) -> tuple[int, int]:
    return Pillow.open(io.BytesIO(data)).size


def picture(width: int, height: int, kind: str = "JPEG", mode: str = "RGB", **how: object) -> bytes:
    out = io.BytesIO()
    Pillow.new(mode, (width, height)).save(out, kind, **how)
    return out.getvalue()


async def test_a_picture_is_seen_with_its_caption_and_without(stage: Stage) -> None:
    stage.given["routing"] = Routing([ModelOption("eyes", "Eyes", Listed("eyes", Profile(vision=True)))])
    await stage.start()
    stage.telegram.upload(ANNA, picture(3000, 1500), caption="what is it?")
    assert (await stage.texts(1))[-1] == "eyes: 'what is it?' [(1280, 640)]"
    stage.telegram.upload(ANNA, picture(30, 15))
    assert (await stage.texts(2))[-1] == "eyes: '' [(30, 15)]"


async def test_an_album_is_one_question_with_all_its_pictures_in_order(stage: Stage) -> None:
    stage.given["routing"] = Routing([ModelOption("eyes", "Eyes", Listed("eyes", Profile(vision=True)))])
    await stage.start()
    stage.telegram.album(ANNA, [picture(10, 20), picture(20, 10), picture(30, 30)], "compare", caption_on=1)
    assert await stage.texts(1) == ["eyes: 'compare' [(10, 20), (20, 10), (30, 30)]"]


@pytest.mark.parametrize(("kind", "name"), [("PNG", "a.png"), ("WEBP", "a.webp"), ("GIF", "A.GIF")])
async def test_a_picture_that_is_sent_as_a_file_is_seen_too(stage: Stage, kind: str, name: str) -> None:
    stage.given["routing"] = Routing([ModelOption("eyes", "Eyes", Listed("eyes", Profile(vision=True)))])
    await stage.start()
    stage.telegram.upload(ANNA, picture(40, 20, kind), "document", name=name, caption="look")
    assert await stage.texts(1) == ["eyes: 'look' [(40, 20)]"]


async def test_a_reply_to_a_picture_asks_about_it(stage: Stage) -> None:
    stage.given["routing"] = Routing([ModelOption("eyes", "Eyes", Listed("eyes", Profile(vision=True)))])
    await stage.start()
    sent = stage.telegram.upload(ANNA, picture(40, 20))
    await stage.texts(1)
    stage.telegram.say(ANNA, "and the colour?", reply_to=sent["message_id"])
    assert (await stage.texts(2))[-1] == "eyes: 'and the colour?' []"
    model = stage.given["routing"].default.model
    assert [part.mime for part in model.requests[-1].messages[1].parts if isinstance(part, Image)] == ["image/jpeg"]


async def test_a_model_that_is_blind_points_to_one_that_sees_and_a_tap_asks_it(stage: Stage) -> None:
    blind, eyes = offers(stage)
    await stage.start()
    stage.telegram.upload(ANNA, picture(40, 20), caption="what is it?")
    unseen = say("en", "picture.unseen", model="Blind", other="Eyes")
    assert await stage.texts(1) == [say("en", "picture.kept", unseen=unseen)]
    await stage.press(say("en", "picture.ask", model="Eyes"))
    note = say("en", "once.note", model="Eyes")
    await stage.until(lambda: stage.telegram.texts(ANNA)[0].startswith("eyes: 'what is it?' [(40, 20)]") or None)
    assert stage.telegram.texts(ANNA)[0].endswith(note)
    assert blind.requests == []
    assert (await stage.ask("thanks")).startswith("blind: ")
    assert len(eyes.requests) == 1


@pytest.mark.parametrize(("person", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_where_pictures_came_without_a_question_none_is_said_to_be_kept(
    stage: Stage, person: int, language: str
) -> None:
    _, eyes = offers(stage)
    await stage.start()
    stage.telegram.album(person, [picture(10, 20), picture(20, 10)])
    assert await stage.texts(1, person) == [say(language, "picture.unseen", model="Blind", other="Eyes")]
    await stage.press(say(language, "picture.ask", model="Eyes"), person)
    await stage.until(lambda: stage.telegram.texts(person)[0].startswith("eyes: '' [(10, 20), (20, 10)]") or None)
    assert len(eyes.requests) == 1


async def test_a_tap_on_always_chooses_the_model_that_sees_for_the_chat(stage: Stage) -> None:
    blind, eyes = offers(stage)
    await stage.start()
    stage.telegram.upload(ANNA, picture(40, 20), caption="what is it?")
    await stage.texts(1)
    await stage.press(say("en", "picture.always", model="Eyes"))
    await stage.until(lambda: stage.telegram.texts(ANNA) == ["eyes: 'what is it?' [(40, 20)]"] or None)
    assert await stage.ask("thanks") == "eyes: 'thanks' []"
    assert (len(blind.requests), len(eyes.requests)) == (0, 2)


async def test_a_sticker_is_a_picture_and_one_that_moves_is_its_emoji(stage: Stage) -> None:
    stage.given["routing"] = Routing([ModelOption("eyes", "Eyes", Listed("eyes", Profile(vision=True)))])
    await stage.start()
    stage.telegram.upload(ANNA, picture(512, 300, "WEBP"), "sticker", name="😀")
    assert await stage.texts(1) == ["eyes: '' [(512, 300)]"]
    moving = {"file_id": "s", "emoji": "😢", "is_animated": True}
    person = {"id": ANNA, "is_bot": False, "first_name": "Anna"}
    message = {"message_id": 900, "chat": {"id": ANNA, "type": "private"}, "from": person, "date": 1_800_000_000}
    stage.telegram.push_raw({"message": {**message, "sticker": moving}})
    assert (await stage.texts(2))[-1] == "eyes: '😢' []"


async def test_a_reply_to_a_picture_does_not_keep_a_blind_model_from_answering(stage: Stage) -> None:
    blind, _ = offers(stage)
    await stage.start()
    sent = stage.telegram.upload(ANNA, picture(40, 20))
    await stage.texts(1)
    stage.telegram.say(ANNA, "thanks", reply_to=sent["message_id"])
    assert (await stage.texts(2))[-1].startswith("blind: ")
    assert blind.requests[0].messages[-1].text == "\n[picture]\nthanks"


async def test_an_edit_of_a_caption_keeps_the_picture(stage: Stage) -> None:
    stage.given["routing"] = Routing([ModelOption("eyes", "Eyes", Listed("eyes", Profile(vision=True)))])
    await stage.start()
    sent = stage.telegram.upload(ANNA, picture(40, 20), caption="what is thsi?")
    await stage.texts(1)
    stage.telegram.edit(ANNA, sent["message_id"], "what is this?")
    await stage.until(lambda: stage.telegram.texts(ANNA) == ["eyes: 'what is this?' [(40, 20)]"] or None)


async def test_a_pointer_that_is_tapped_late_still_asks_the_model_that_sees(stage: Stage) -> None:
    blind, eyes = offers(stage)
    await stage.start()
    stage.telegram.upload(ANNA, picture(40, 20), caption="what is it?")
    await stage.texts(1)
    await stage.ask("never mind")
    assert [message.text for message in blind.requests[0].messages[1:]] == ["never mind"]
    await stage.press(say("en", "picture.ask", model="Eyes"))
    await stage.until(lambda: stage.telegram.texts(ANNA)[0].startswith("eyes: 'what is it?' [(40, 20)]") or None)
    assert len(eyes.requests) == 1
    await stage.ask("thanks")
    assert [message.role for message in blind.requests[-1].messages[1:]] == ["user", "assistant"] * 2 + ["user"]


async def test_where_nobody_sees_it_is_said_and_the_model_is_told(stage: Stage) -> None:
    blind, _ = offers(stage, seeing=False)
    await stage.start()
    stage.telegram.upload(ANNA, picture(40, 20))
    assert await stage.texts(1) == [say("en", "picture.blind")]
    stage.telegram.upload(ANNA, picture(40, 20), caption="what is it?")
    await stage.texts(2)
    assert "You can't see pictures: say so" in blind.requests[0].messages[-1].text
    assert stage.telegram.calls_of("getFile") == []


async def test_a_picture_is_stored_once_and_only_the_newest_are_shown_again(stage: Stage) -> None:
    eyes = Listed("eyes", Profile(vision=True, window=100_000))
    stage.given["routing"] = Routing([ModelOption("eyes", "Eyes", eyes)])
    await stage.start()
    for number in range(1, 7):
        stage.telegram.upload(ANNA, picture(10 * number, 10), caption=f"number {number}")
        await stage.texts(number)
    seen = [part for message in eyes.requests[-1].messages for part in message.parts if isinstance(part, Image)]
    assert [_size(part.data)[0] for part in seen] == [30, 40, 50, 60]
    assert eyes.requests[-1].messages[1].text == "number 1\n[picture]"
    assert rows(stage, "SELECT count(*), min(user), min(mime) FROM blobs") == [(6, ANNA, "image/jpeg")]
    assert rows(stage, "SELECT max(length(parts)) FROM messages WHERE role = 'user'")[0][0] < 300


async def test_what_can_not_be_opened_is_said_with_what_to_do(stage: Stage) -> None:
    stage.given["routing"] = Routing([ModelOption("eyes", "Eyes", Listed("eyes", Profile(vision=True)))])
    await stage.start()
    stage.telegram.upload(ANNA, b"\0\0\0\x18ftypheic", "document", name="IMG.HEIC")
    stage.telegram.upload(ANNA, b"no picture", "document", name="a.png")
    stage.telegram.upload(ANNA, bomb(60_000, 60_000), "document", name="b.png")
    assert await stage.texts(3) == [say("en", f"picture.{what}") for what in ("heic", "broken", "large")]
    stage.telegram.upload(ANNA, b"x" * (20 * 2**20 + 1), "document", name="c.png")
    assert (await stage.texts(4))[-1] == say("en", "file.large", limit=20)
    stage.telegram.fail_next("getFile", code=400, description="wrong file_id", times=1)
    stage.telegram.upload(ANNA, picture(9, 9))
    assert (await stage.texts(5))[-1] == say("en", "file.gone")
    stage.telegram.fail_next("file", code=502, times=3)
    stage.telegram.upload(ANNA, picture(9, 9))
    assert (await stage.texts(6))[-1] == say("en", "file.unavailable")


async def test_a_document_of_another_kind_is_named_also_with_a_question_and_no_model_guesses_at_it(
    stage: Stage,
) -> None:
    await stage.start()
    stage.telegram.upload(BORIS, bytes(range(256)), "document", name="junk.bin", caption="Что здесь?")
    await stage.until(lambda: stage.telegram.texts(BORIS) or None)
    assert stage.telegram.texts(BORIS) == [say("ru", "document.unknown", name="junk.bin")]
    assert not stage.prompts()


def test_a_picture_is_turned_scaled_and_put_on_white() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # lies on its side
    assert _size(scaled(picture(2000, 1000, exif=exif))) == (LONG_SIDE // 2, LONG_SIDE)
    clear = io.BytesIO()
    Pillow.new("RGBA", (20, 20), (0, 0, 0, 0)).save(clear, "WEBP")
    seen = Pillow.open(io.BytesIO(scaled(clear.getvalue()))).convert("RGB").getpixel((5, 5))
    assert seen == (255, 255, 255)
    for mode, kind in (("L", "PNG"), ("1", "PNG"), ("LA", "PNG"), ("I;16", "PNG"), ("CMYK", "JPEG")):
        assert _size(scaled(picture(9, 9, kind, mode))) == (9, 9)


def test_a_picture_that_says_too_much_of_itself_is_not_opened() -> None:
    assert refusal(scaled, bomb(30_000, 30_000)) == "large"
    assert refusal(scaled, bomb(6_000, 5_000)) == "large"
    for data in (b"", b"\xff\xd8\xff", picture(99, 99)[:300], b"GIF89a", b"<svg/>"):
        assert refusal(scaled, data) == "broken"


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that unpacks to gigabytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
