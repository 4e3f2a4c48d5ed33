"""Commands and menus, in both languages, in private chats and in groups."""

from __future__ import annotations

import pytest

from bot.sandbox import painter
from bot.sandbox.telegram.methods.account import DEFAULT_SCOPE
from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.stage import ANNA, BORIS, TEAM, Stage

LANGUAGE_OF = {ANNA: "en", BORIS: "ru"}
WRITTEN = [
    ("/HELP", "help"),
    ("/START", "start"),
    ("/help@govorun_sandbox_bot", "help"),
    ("/help\n/new", "help"),
    ("/start %00../..", "start"),
    ("/start " + "x" * 64, "start"),
]
JPEG = painter.draw("a cat", 1, 1, 1)


@pytest.mark.parametrize(("chat", "language"), LANGUAGE_OF.items())
async def test_each_plain_command_answers_in_the_persons_language(stage: Stage, chat: int, language: str) -> None:
    await stage.start()
    name = stage.telegram.state.people[chat].first_name
    assert await stage.ask("/start", chat) == say(language, "start", name=name)
    assert await stage.ask("/new", chat) == say(language, "new")
    assert await stage.ask("/stop", chat) == say(language, "stop.nothing")
    assert await stage.ask("/image", chat) == say(language, "image.usage")
    assert await stage.ask("/img", chat) == say(language, "image.usage")
    assert (await stage.ask("/model", chat)).startswith(say(language, "model.choose", model="YandexGPT 5.1 Pro"))
    assert say(language, "streaming.draft") in await stage.ask("/settings", chat)
    assert stage.prompts() == []


async def test_help_lists_the_menu_of_which_telegram_is_told_in_both_languages(stage: Stage) -> None:
    app = await stage.start()
    for chat, code in LANGUAGE_OF.items():
        text = await stage.ask("/help", chat)
        for name, description in app.inbound.help.menu(code):
            assert f"/{name} {'–' if code == 'en' else '—'} {description}" in text
    shown = stage.telegram.snapshot()["commands"][DEFAULT_SCOPE]
    for code, language in (("", "en"), ("ru", "ru")):
        rows = app.inbound.help.menu(language)
        assert shown[code] == [{"command": name, "description": text} for name, text in rows]
    assert [row["command"] for row in shown[""]] == [
        "new", "chats", "image", "write", "remind", "model", "settings", "usage", "help",
    ]  # fmt: skip


async def test_a_bot_that_does_not_draw_has_no_image_in_its_menu(stage: Stage) -> None:
    await stage.start(image_model="")
    assert "/image" not in (await stage.ask("/help")).replace("/image a", "")
    assert "image" not in [row["command"] for row in stage.telegram.snapshot()["commands"][DEFAULT_SCOPE][""]]


async def test_a_command_is_known_however_it_is_written(stage: Stage) -> None:
    await stage.start()
    for said, meant in WRITTEN:
        beginning = say("en", meant, name="Anna", commands="").partition("\n")[0]
        assert (await stage.ask(said)).startswith(beginning), said


async def test_what_follows_a_command_may_begin_on_a_new_line(stage: Stage) -> None:
    await stage.start()
    glues = (" ", "\n", "\t", "\u00a0", "  \n")
    for glue in glues:
        stage.telegram.say(ANNA, f"/image{glue}a red cat\non a roof")
    orders = await stage.until(lambda: _orders(stage) if len(_orders(stage)) == len(glues) else None)
    assert set(orders) == {"a red cat\non a roof"}


async def test_an_unknown_command_points_to_help(stage: Stage) -> None:
    await stage.start()
    for said in ("/nonsense", "/qwerty", "/дай please", "/" + "x" * 300):
        for chat, language in LANGUAGE_OF.items():
            word = said.partition(" ")[0][:64]
            assert await stage.ask(said, chat) == say(language, "unknown.command", command=word)
            near = say(language, "unknown.command.near", command="/setings", near="/settings")
            assert await stage.ask("/setings", chat) == near
    assert stage.prompts() == []


async def test_another_bots_command_in_a_group_is_left_to_it(stage: Stage) -> None:
    await stage.start()
    stage.telegram.say(TEAM, "/help@other_bot", ANNA)
    stage.telegram.say(TEAM, "/roll 2d6", ANNA)
    stage.telegram.say(TEAM, "/stop@govorun_sandbox_bot", ANNA)
    assert await stage.texts(1, TEAM) == [say("en", "stop.nothing")]
    assert "/rol" in await stage.ask("/rol@govorun_sandbox_bot", TEAM, ANNA)


async def test_a_command_does_not_end_up_in_the_conversation(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/help")
    await stage.ask("hello")
    assert [message["role"] for message in stage.prompts()[0]] == ["system", "user"]


async def test_an_edit_into_a_command_does_nothing(stage: Stage) -> None:
    await stage.start()
    first = stage.telegram.say(ANNA, "the word is apricot")
    await stage.texts(1)
    stage.telegram.edit(ANNA, first["message_id"], "/new")
    stage.studio.script("apricot")
    assert await stage.ask("what is the word?") == "apricot"
    assert "apricot" in str(stage.prompts()[-1][:-1])


async def test_a_waiting_question_edited_into_a_command_is_still_answered(stage: Stage) -> None:
    stage.studio.speed = 10
    await stage.start()
    stage.studio.answer(lambda messages: "word " * 60 if "first" in messages[-1]["text"] else "second answer")
    stage.telegram.say(ANNA, "first")
    waiting = stage.telegram.say(ANNA, "second")
    await stage.until(lambda: stage.telegram.drafts or None)
    stage.telegram.edit(ANNA, waiting["message_id"], "/new")
    assert (await stage.texts(2))[1] == "second answer"


async def test_what_is_not_text_is_answered_with_a_sentence(stage: Stage) -> None:
    await stage.start()
    for chat, language in LANGUAGE_OF.items():
        stage.telegram.upload(chat, JPEG, "photo")
        stage.telegram.upload(chat, b"MZ", "document", name="../../etc/passwd", mime="application/x-dosexec")
        unseen = say(language, "picture.unseen", model="YandexGPT 5.1 Pro", other="DeepSeek V4.1 Flash")
        unknown = say(language, "document.unknown", name="../../etc/passwd")
        assert await stage.texts(2, chat) == [unseen, unknown]
    assert stage.prompts() == []


async def test_a_blank_message_is_not_sent_to_the_model(stage: Stage) -> None:
    await stage.start()
    for blank in ("\u2800", "\u200b\u200d", "\u3164", "   ", "\n\t"):
        for chat, language in LANGUAGE_OF.items():
            assert await stage.ask(blank, chat) == say(language, "empty.question")
    assert stage.prompts() == []


async def test_an_unknown_language_is_answered_in_english(stage: Stage) -> None:
    await stage.start()
    chat = stage.telegram.person("Zoë", "fr")["id"]
    assert await stage.ask("/new", chat) == say("en", "new")


async def test_names_that_look_like_formats_are_names(stage: Stage) -> None:
    await stage.start()
    name = "%s {0.__class__} {name} <b>"
    chat = stage.telegram.person(name, "en")["id"]
    assert await stage.ask("/start", chat) == say("en", "start", name=name)
    assert name in stage.telegram.texts(chat)[0]


async def test_a_command_answer_has_no_leftover_buttons(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/help")
    assert buttons_of(stage.telegram.transcript(ANNA)[-1]) == []


def _orders(stage: Stage) -> list[str]:
    return [seen.body["prompt"] for seen in stage.studio.seen("images/generations")]
