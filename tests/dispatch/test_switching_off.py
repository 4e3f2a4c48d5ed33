"""Commands that a programmer does not want (`App(without=...)`)."""

from __future__ import annotations

import pytest

from bot import App, Incoming, Reply
from bot.errors import ConfigError
from bot.sandbox.telegram.methods.account import DEFAULT_SCOPE
from bot.testing.studio import StudioSide
from bot.testing.tg import Tg
from tests.support.stage import Stage


@pytest.fixture
def bot_app() -> App:
    app = App(without=["image", "write", "persona", "remind", "model"])

    @app.command("image", "Our photo")
    async def image(incoming: Incoming, reply: Reply) -> str:
        return "a photo"

    return app


async def test_what_is_switched_off_is_in_no_menu_and_no_panel_and_its_word_is_free(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    for word in ("write", "persona", "remind", "model", "img"):
        assert "don't know the command" in (await ann.say(f"/{word}")).text
    assert (await ann.say("/image")).text == "a photo"
    shown = [row["command"] for row in tg.server.snapshot()["commands"][DEFAULT_SCOPE][""]]
    assert shown == ["image", "new", "chats", "settings", "usage", "help"]
    panel = await ann.say("/settings")
    assert not {"Model", "Persona"} & {label.split(":")[0] for label in panel.buttons}
    studio.says("Yes.")
    await ann.say("hello")
    assert "remind" not in str(studio.requests[-1].body.get("tools", ""))


async def test_a_word_that_is_no_command_is_told_at_the_start(stage: Stage) -> None:
    stage.extension = App(without=["imgae"]).extension
    told = r"test_switching_off\.py:\d+: App\(without=...\): there is no command imgae; did you mean image"
    with pytest.raises(ConfigError, match=told):
        await stage.start()
