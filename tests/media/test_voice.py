"""Voice notes: understood, shown as text, answered with voice where the chat wishes so."""

from __future__ import annotations

import io
import math
import random
from array import array
from typing import Any, Literal

import av
import pytest

from bot.media.audio import opus, seconds
from bot.media.voice import MARK, spoken
from bot.sandbox import media
from bot.texts.catalog import say
from tests.support.choosing import pressed, speaks, toasts
from tests.support.opening import refusal
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows, soon


def say_it(stage: Stage, text: str, seconds: int = 5, **how: Any) -> None:
    stage.telegram.upload(ANNA, media.note(text, seconds), "voice", duration=seconds, **how)


def voices(stage: Stage) -> list[bytes]:
    """The voice notes that the bot has sent."""
    mine = [message for message in stage.telegram.transcript(ANNA) if message["from"]["is_bot"]]
    files = stage.telegram.state.files
    return [files[message["voice"]["file_id"]].data for message in mine if "voice" in message]


async def test_a_voice_note_is_shown_as_text_and_answered(stage: Stage) -> None:
    await stage.start(speech="on")
    stage.studio.script("Four.")
    say_it(stage, "Сколько будет дважды два?")
    assert await stage.texts(2) == [f"{MARK}Сколько будет дважды два?", "Four."]
    assert stage.prompts()[-1][-1]["text"] == "Сколько будет дважды два?"
    (seen,) = stage.studio.seen("recognize")
    assert seen.body == {"lang": "en-US", "topic": "general", "format": "oggopus"}
    assert seen.headers["x-data-logging-enabled"] == "false"
    assert voices(stage) == []


async def test_a_long_note_is_an_operation(stage: Stage) -> None:
    await stage.start(speech="on")
    stage.studio.operations.polls["text"] = 2
    stage.studio.script("A long story.")
    say_it(stage, "First sentence. Second one! And a third", 90)
    assert await stage.texts(2) == [f"{MARK}First sentence. Second one! And a third", "A long story."]
    assert stage.studio.seen("recognize") == []
    (order,) = stage.studio.seen("recognizeFileAsync")
    assert order.body["recognitionModel"]["languageRestriction"]["languageCode"] == ["en-US"]
    assert len(stage.studio.seen("operation")) == 3


@pytest.mark.parametrize(
    ("name", "mime"),
    [("memo.m4a", "audio/mp4"), ("memo.mp3", "application/octet-stream"), ("memo", "application/octet-stream")],
)
async def test_a_sound_that_is_sent_as_a_file_is_listened_to(stage: Stage, name: str, mime: str) -> None:
    await stage.start(speech="on")
    stage.studio.script("Four.")
    sound = recording("mp4", "aac")
    stage.telegram.upload(ANNA, sound, "document", name=name, mime=mime, caption="What is said?")
    assert (await stage.texts(2))[-1] == "Four."
    (seen,) = stage.studio.seen("recognize")
    assert seen.body["format"] == "oggopus"
    assert stage.prompts()[-1][-1]["text"].startswith("What is said?\n")


async def test_a_crash_does_not_pay_for_a_note_twice(stage: Stage) -> None:
    await stage.start(speech="on")
    stage.studio.operations.polls["text"] = 3
    stage.studio.speed = 0.2
    say_it(stage, "Tell me. " * 9, 60)
    await soon(stage, lambda: rows(stage, "SELECT operation FROM operations") or None)
    await stage.crash()
    await stage.start()
    await stage.texts(1)  # the words are shown
    await stage.crash()
    stage.studio.speed = 40
    await stage.start()
    assert (await stage.texts(2))[0].startswith(f"{MARK}Tell me.")
    assert len(stage.studio.speech.heard) == 1


async def test_voice_is_off_by_default_and_says_so(stage: Stage) -> None:
    await stage.start()
    say_it(stage, "hello")
    assert await stage.texts(1) == [say("en", "voice.off")]
    assert await stage.ask("/voice") == say("en", "voice.off")
    assert stage.telegram.calls_of("getFile") == []


async def test_what_is_too_long_is_said_before_anything_is_fetched(stage: Stage) -> None:
    await stage.start(speech="on", speech_seconds=120)
    say_it(stage, "hello", 121)
    assert await stage.texts(1) == [say("en", "voice.long", minutes=2)]
    assert stage.telegram.calls_of("getFile") == []


async def test_silence_and_failures_are_said(stage: Stage) -> None:
    await stage.start(speech="on")
    say_it(stage, "")
    assert await stage.texts(1) == [say("en", "voice.empty")]
    stage.studio.fail_next("recognize", status=500)
    say_it(stage, "hello")
    assert (await stage.texts(2))[-1] == say("en", "voice.failed")
    stage.studio.fail_next("recognize", status=403, body={"error_code": "UNAUTHORIZED", "error_message": "no role"})
    say_it(stage, "hello")
    assert (await stage.texts(3))[-1] == say("en", "error.denied")
    stage.studio.fail_next("recognize", status=429)
    say_it(stage, "hello")
    assert f"{MARK}hello" in await stage.texts(5)
    assert len(stage.prompts()) == 1


@pytest.mark.parametrize(
    ("route", "body", "seconds"),
    [
        ("recognize", {"text": "no result"}, 5),
        ("recognize", b"<html>", 5),
        ("recognizeFileAsync", {"done": False}, 60),
        ("operation", {"id": "x", "done": True, "error": {"code": 13, "message": "internal"}}, 60),
        ("operation", b"[1]", 60),
    ],
)
async def test_an_answer_that_makes_no_sense_is_said_and_not_asked_for_again(
    stage: Stage, route: str, body: Any, seconds: int
) -> None:
    await stage.start(speech="on")
    stage.studio.fail_next(route, status=200, body=body)
    say_it(stage, "hello", seconds)
    assert await stage.texts(1) == [say("en", "voice.failed")]
    assert len(stage.studio.seen(route)) == 1
    assert stage.prompts() == []


async def test_a_recognition_is_read_line_by_line_whatever_stands_between(stage: Stage) -> None:
    await stage.start(speech="on")
    raw = '{"result":{"final":{"alternatives":[{"text":"two words"}]}}}'
    stage.studio.fail_next("getRecognition", status=200, body=f'{{"result":{{"eouUpdate":{{}}}}}}\n\nnonsense\n{raw}\n')
    say_it(stage, "ignored", 60)
    assert (await stage.texts(2))[0] == f"{MARK}two words"


async def test_a_mirror_answers_voice_with_voice_and_text(stage: Stage) -> None:
    await stage.start(speech="on")
    await speaks(stage)
    assert toasts(stage)[-1] == say("en", "voice.mirrors")
    stage.studio.script("It is **four**.", "Text stays text.")
    say_it(stage, "What is two and two?")
    await soon(stage, lambda: voices(stage) or None)
    assert stage.telegram.texts(ANNA)[1:3] == [f"{MARK}What is two and two?", "It is four."]
    assert media.words(voices(stage)[0]) == "It is four."
    await stage.ask("And in writing?")
    await pressed(stage, say("en", "voice.text"))
    assert toasts(stage)[-1] == say("en", "voice.silent")
    say_it(stage, "And now?")
    await soon(stage, lambda: len(stage.prompts()) == 3 or None)
    await stage.clock.sleep(30)
    assert len(voices(stage)) == 1
    assert stage.studio.speech.spoken == ["It is four."]


async def test_an_answer_that_can_not_be_spoken_is_said_so(stage: Stage) -> None:
    await stage.start(speech="on")
    await speaks(stage)
    stage.studio.fail_next("synthesize", status=400)
    say_it(stage, "hello")
    await soon(stage, lambda: say("en", "voice.unspoken") in stage.telegram.texts(ANNA) or None)
    assert voices(stage) == []


async def test_a_video_note_is_listened_to(stage: Stage) -> None:
    await stage.start(speech="on")
    stage.telegram.upload(ANNA, film(), "video_note", duration=1)
    assert (await stage.texts(2))[0] == f"{MARK}A voice note of 1 s."
    (heard,) = stage.studio.speech.heard
    assert 0.9 < heard < 1.2


async def test_a_video_note_without_sound_is_told_from_one_that_can_not_be_read(stage: Stage) -> None:
    await stage.start(speech="on")
    stage.telegram.upload(ANNA, film(mute=True), "video_note", duration=1)
    assert await stage.texts(1) == [say("en", "voice.mute")]
    for number, data in enumerate((b"no video", film()[:500], b"")):
        stage.telegram.upload(ANNA, data, "video_note", duration=1)
        assert (await stage.texts(2 + number))[-1] == say("en", "voice.broken")
    assert stage.studio.speech.heard == []


def recording(container: str, codec: Literal["aac"], rate: int = 48_000) -> bytes:
    """A second of a tone."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as target:
        _sing(target, target.add_stream(codec, rate=rate, layout="mono"), 1)
    return out.getvalue()


def film(seconds: int = 1, *, mute: bool = False, title: str = "") -> bytes:
    """A round video as people's phones send it: a square H.264 picture, and a tone in stereo."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as target:
        target.metadata["title"] = title
        picture = target.add_stream("libx264", rate=2, options={"preset": "ultrafast"})
        picture.width = picture.height = 240
        picture.pix_fmt = "yuv420p"
        sound = None if mute else target.add_stream("aac", rate=44_100, layout="stereo")
        for number in range(2 * seconds):
            frame = av.VideoFrame(240, 240, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number % 256]) * plane.buffer_size)
            frame.pts = number
            target.mux(picture.encode(frame))
        target.mux(picture.encode(None))
        if sound is not None:
            _sing(target, sound, seconds)
    return out.getvalue()


def _sing(target: av.container.OutputContainer, stream: av.AudioStream, seconds: int) -> None:
    rate, channels, layout = stream.rate, stream.channels, stream.layout.name
    piece = array("h", (int(9_000 * math.sin(place / 20)) for place in range(1_024) for _ in range(channels)))
    for start in range(0, rate * seconds, 1_024):
        frame = av.AudioFrame(format="s16", layout=layout, samples=1_024)
        frame.planes[0].update(piece.tobytes())
        frame.rate, frame.pts = rate, start
        target.mux(stream.encode(frame))
    target.mux(stream.encode(None))


def test_the_sound_of_a_recording_is_one_channel_of_opus() -> None:
    sound = opus(recording("mp4", "aac"), 60)
    with av.open(io.BytesIO(sound), "r") as opened:
        assert opened.streams.audio[0].codec_context.name in ("opus", "libopus")
        assert opened.streams.audio[0].channels == 1
    assert 0.9 < seconds(sound) < 1.2
    assert refusal(opus, recording("mp4", "aac"), 0) == "long"
    assert refusal(opus, b"none", 60) == "broken"


def test_a_title_that_is_no_text_costs_no_sound() -> None:
    strange = film(title="x" * 12).replace(b"x" * 12, b"\xff\xfe\xe9" * 4)
    assert seconds(opus(strange, 60)) > 0.9


def test_no_spoilt_recording_is_a_defect() -> None:
    changes_midway = recording("adts", "aac") + recording("adts", "aac", 22_050)
    assert refusal(opus, changes_midway, 60) == "broken"
    whole, chance = film(), random.Random(7)
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 5, 50))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        assert refusal(opus, bytes(data), 60) in ("", "broken", "mute", "long")


def test_a_note_of_the_sandbox_is_a_file_that_players_take() -> None:
    note = media.note("Привет", 2.5)
    assert media.words(note) == "Привет"
    assert seconds(note) == 2.5
    with av.open(io.BytesIO(note), "r") as opened:
        assert sum(frame.samples for frame in opened.decode(opened.streams.audio[0])) >= 2.4 * 48_000


def test_what_is_spoken_has_no_marks_code_or_addresses() -> None:
    text = "# Title\n\n* **one** `two`\n* [three](https://x.y)\n\n```py\nprint()\n```\nhttps://a.b end."
    assert spoken(text, 99) == "Title one two three end."
    assert (
        spoken("![one](https://x.y/z_(a)) [two] (three) [four [five]](https://x.y)", 99)
        == "one [two] (three) [four [five]]("
    )
    assert spoken("One. Two is longer. Three", 12) == "One."
    assert spoken("It stands there.¹\u202f² 5 m² of it.³", 99) == "It stands there. 5 m² of it."
    assert spoken("word " * 9, 12) == "word word"
