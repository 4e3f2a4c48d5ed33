"""The menus of commands: nine for everybody, more for owners, in the language that was chosen in the bot."""

from __future__ import annotations

import json

from bot.dispatch.help import GROUP, PRIVATE
from bot.texts.catalog import NAMES, say
from tests.support.choosing import pressed
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import soon

ADMIN = ["/members", "/invite", "/audit", "/broadcast", "/kb", "/gaps"]


async def _menu(stage: Stage, chat: int) -> list[dict[str, str]]:
    """The newest menu of one chat."""

    def found() -> list[dict[str, str]] | None:
        calls = stage.telegram.calls_of("setMyCommands")
        of_chat = [call for call in calls if json.loads(call.params.get("scope") or "{}").get("chat_id") == chat]
        return json.loads(of_chat[-1].params["commands"]) if of_chat else None

    return await soon(stage, found)


async def test_a_menu_of_one_chat_is_in_the_language_that_was_chosen_there(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/settings")
    await pressed(stage, say("en", "settings.language"), NAMES["ru"])
    menu = await _menu(stage, ANNA)
    assert [f"/{row['command']}" for row in menu] == list(PRIVATE)
    assert menu[0]["description"] == say("ru", "command.new")


async def test_owners_have_the_commands_of_owners_in_their_menu(stage: Stage) -> None:
    await stage.start(owners=(BORIS,))
    menu = await _menu(stage, BORIS)
    assert [f"/{row['command']}" for row in menu] == [*PRIVATE, *ADMIN]
    assert say("ru", "command.members") in await stage.ask("/help", BORIS)
    assert say("en", "command.members") not in await stage.ask("/help", ANNA)


async def test_a_new_owner_gets_the_menu_of_owners(stage: Stage) -> None:
    bot = await stage.start(access="closed")
    await stage.ask(f"/start {bot.joining.code}")
    assert {"members", "invite", "audit"} < {row["command"] for row in await _menu(stage, ANNA)}


async def test_groups_have_a_menu_of_their_own_in_which_a_whisper_is_offered(stage: Stage) -> None:
    await stage.start()
    await stage.until(lambda: len(stage.telegram.calls_of("setMyCommands")) >= 4 or None)
    of_groups = [call for call in stage.telegram.calls_of("setMyCommands") if "all_group_chats" in str(call.params)]
    rows = json.loads(of_groups[0].params["commands"])
    assert [f"/{row['command']}" for row in rows] == list(GROUP)
    assert [row["command"] for row in rows if row.get("is_ephemeral")] == ["whisper"]
    assert "/whisper" not in await stage.ask("/help")


async def test_a_chat_that_is_gone_keeps_its_menu_and_the_job_ends(stage: Stage) -> None:
    await stage.start(owners=(BORIS,))
    await _menu(stage, BORIS)
    await stage.stop()
    stage.telegram.fail_next("setMyCommands", code=400, description="Bad Request: chat not found", times=None)
    await stage.start()
    await soon(stage, lambda: len(stage.telegram.calls_of("setMyCommands")) > 5 or None)
    assert await stage.ask("/new") == say("en", "new")
