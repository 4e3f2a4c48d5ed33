"""/export hands over everything of a person: Markdown to read, JSON for programs, files as they are."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from bot.config.entries import ModelConfig
from bot.features import data_export
from bot.features.privacy import grouped
from bot.sandbox.painter import draw
from bot.sandbox.telegram.chats import Message
from bot.storage.store import Tx
from bot.storage.tables.history import Blob
from bot.texts.catalog import say
from bot.texts.dates import day
from tests.support.known import handbook, kept, known
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import QUESTION, rows, soon

PARTS = json.dumps([{"is": "text", "text": "x"}])


async def _exported(stage: Stage, count: int = 1, who: int = ANNA) -> list[zipfile.ZipFile]:
    stage.telegram.say(who, "/export")
    files = await stage.until(lambda: found if len(found := _documents(stage, who)) >= count else None)
    stored = stage.telegram.state.files
    return [zipfile.ZipFile(io.BytesIO(stored[file["document"]["file_id"]].data)) for file in files]


def _documents(stage: Stage, who: int = ANNA) -> list[Message]:
    return [message for message in stage.telegram.transcript(who) if "document" in message]


async def test_everything_is_in_it_and_nothing_of_others(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("a zebra is striped", "no, never", "in the group", "for boris")
    await stage.ask("what is a zebra?")
    await stage.ask("/new")
    await stage.ask("does it sleep?")
    await stage.ask(QUESTION, TEAM, ANNA)
    await stage.ask("@govorun_sandbox_bot secret of boris", TEAM, BORIS)
    answer = next(one for one in stage.telegram.transcript(ANNA) if one.get("text") == "a zebra is striped")
    stage.telegram.react(ANNA, answer["message_id"], "👍")
    await soon(stage, lambda: rows(stage, "SELECT * FROM feedback") or None)
    (archive,) = await _exported(stage)
    assert stage.telegram.transcript(ANNA)[-1]["caption"] == say("en", "export.file")
    text = archive.read("conversations.md").decode()
    assert text.index("what is a zebra?") < text.index("a zebra is striped") < text.index("no, never")
    assert "in the group" in text
    everything = json.loads(archive.read("everything.json"))
    assert [row["sign"] for row in everything["feedback"]] == ["👍"]
    assert len(everything["conversations"]) == 3
    assert [row["prompt"] > 0 for row in everything["usage"]] == [True] * 3
    assert "boris" not in text + json.dumps(everything)


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_quotes_of_answers_come_with_their_place_and_date_as_the_person_may_read_them_now(
    stage: Stage, tmp_path: Path, language: str
) -> None:
    who = {"en": ANNA, "ru": BORIS}[language]
    docs = handbook(tmp_path)
    for page in docs.iterdir():
        os.utime(page, (86_400.0, 86_400.0))
    bot = await known(stage, docs)
    question = {"en": "Are laptops repaired for free?", "ru": "За сколько дней можно вернуть товар?"}[language]
    await stage.ask(question, who)
    sentence = {"en": "Laptops are repaired for free for one year.", "ru": "Вернуть товар можно в течение 14 дней."}
    (archive,) = await _exported(stage, who=who)
    everything = json.loads(archive.read("everything.json"))
    quote = everything["quotes"][0]
    said = {row["id"]: row for row in everything["messages"]}[quote["message_id"]]["parts"][0]["text"]
    assert f"{sentence[language].rstrip('.')}.¹" in said
    assert (quote["number"], quote["text"], quote["until"]) == (1, sentence[language], None)
    told = day(date(1970, 1, 2), language)
    told = say(language, "kb.source.as_of", date=told)
    place = {"en": "Warranty", "ru": "Возврат › Срок"}[language]
    assert f"> [1] {sentence[language]}\n> — {place}. {told}" in archive.read("conversations.md").decode()
    base = kept(bot, docs)
    source = await base.find("docs")
    await base.store.write(lambda tx: tx.change(source, audience=()))
    (_, archive) = await _exported(stage, 2, who)
    assert json.loads(archive.read("everything.json"))["quotes"] == []


async def test_files_come_as_they_are(stage: Stage) -> None:
    app = await stage.start()

    def store(tx: Tx) -> None:
        for name, data in (("cat.png", b"12345678"), ("../dog.pdf", b"87654321")):
            row = {"bot": app.telegram.api.id, "chat": ANNA, "user": ANNA, "mime": "image/png", "at": 1.0}
            tx.connection.execute(insert(Blob.table), {**row, "name": name, "data": data})

    await app.store.write(store)
    (archive,) = await _exported(stage)
    assert archive.read("files/1-cat.png") == b"12345678"
    assert archive.read("files/2-.._dog.pdf") == b"87654321"


def test_files_that_are_too_many_for_one_message_come_in_several() -> None:
    files = [(number, "", "", 20_000_000) for number in range(5)]
    assert [len(group) for group in grouped(files)] == [2, 2, 1]
    assert grouped([]) == [[]]


async def test_an_export_survives_a_crash_and_comes_once(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    stage.telegram.say(ANNA, "/export")
    await soon(stage, lambda: rows(stage, "SELECT * FROM jobs WHERE kind = 'export'") or _documents(stage) or None)
    await stage.crash()
    await stage.start()
    await stage.until(lambda: _documents(stage) or None)
    await stage.clock.sleep(60)
    assert len(_documents(stage)) == 1


async def test_its_reminders_are_reminders_and_nothing_else(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/timezone Moscow")
    await stage.ask("/remind tomorrow 9:00 call mum")
    (archive,) = await _exported(stage)
    kept = json.loads(archive.read("everything.json"))["reminders"]
    assert [(one["kind"], one["text"]) for one in kept] == [("reminder", "call mum")]


async def test_in_a_group_it_says_where_to_ask(stage: Stage) -> None:
    await stage.start()
    for command in ("/export", "/forget"):
        assert await stage.ask(f"{command}@govorun_sandbox_bot", TEAM, ANNA) == say("en", "own.private")


def _said(id_: int, parent: int | None) -> dict[str, Any]:
    row = {"conversation_id": 1, "parts": PARTS, "sources": "[]", "role": "user", "model": "", "at": 1.0}
    return {**row, "id": id_, "parent": parent}


def test_the_branch_that_is_shown_comes_first_and_others_say_only_what_is_new() -> None:
    said = [_said(1, None), _said(2, 1), _said(3, 1), _said(4, 3), _said(5, 2)]
    found = [[row["id"] for row in branch] for branch in data_export.branches(said, 4)]
    assert found == [[1, 3, 4], [2, 5]]
    flat = [_said(1, None), _said(2, None)]
    assert [[row["id"] for row in branch] for branch in data_export.branches(flat, None)] == [[1, 2]]
    assert list(data_export.branches([], None)) == []


async def test_a_picture_that_was_asked_about_is_where_the_text_shows_it(stage: Stage) -> None:
    await stage.start(models=[ModelConfig(name="gemma-3-27b-it")], model="gemma-3-27b-it")
    stage.studio.script("a cat")
    stage.telegram.upload(ANNA, draw("a cat", 1, 1, 1), caption="What is it?")
    await stage.texts(1)
    (archive,) = await _exported(stage)
    (shown,) = re.findall(r"!\[\]\((.+)\)", archive.read("conversations.md").decode())
    assert shown.endswith(".jpg")
    assert archive.read(shown).startswith(b"\xff\xd8")
    question = json.loads(archive.read("everything.json"))["messages"][0]
    assert [part["data"] for part in question["parts"] if "data" in part] == [shown]


def test_a_picture_in_a_message_is_a_file_that_the_text_shows() -> None:
    parts = json.dumps([{"is": "image", "data": "SlBFRw==", "mime": "image/jpeg"}, {"is": "text", "text": "look"}])
    sources = json.dumps([{"title": "A page", "url": "https://example.org", "page": 3}])
    row = {**_said(7, None), "parts": parts, "sources": sources}
    conversation = {"id": 1, "title": "", "at": 1.0, "head": 7}
    archive = zipfile.ZipFile(
        io.BytesIO(data_export.zips({"conversations": [conversation], "messages": [row]}, [], 1.0, ""))
    )
    assert archive.read("pictures/7-0.jpg") == b"JPEG"
    text = archive.read("conversations.md").decode()
    assert "![](pictures/7-0.jpg)" in text
    assert "- A page https://example.org, p. 3" in text
    assert "SlBF" not in archive.read("everything.json").decode()
