"""What a programmer's functions give back: texts by language, and what can't be sent, which is told with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot import App, Button, Incoming, Next, Outgoing, Reply, UserError
from bot.extension import Answer
from bot.telemetry.incidents import explain, path_beside, read_incidents
from bot.testing.stage import Stage
from bot.testing.tg import Tg

GREETING = {"en": "Good morning", "ru": "Доброе утро"}
WRONG: dict[str, Any] = {
    "number": 5,
    "empty": "",
    "blank": Outgoing(" "),
    "nobody": Outgoing("Menu", buttons=[[Button("Buy", "nothing")]]),
    "arguments": Outgoing("Menu", buttons=[[Button("Go", "go", where="north")]]),
}


@pytest.fixture
def bot_app() -> App[Any]:
    app = App[Any]()

    @app.command("morning")
    async def morning(incoming: Incoming, reply: Reply) -> Answer:
        return GREETING

    @app.command("shut")
    async def shut(incoming: Incoming, reply: Reply) -> str:
        raise UserError({"en": "We are closed.", "ru": "Мы закрыты."})

    @app.press("go")
    async def go(incoming: Incoming, reply: Reply) -> Any:
        return 5

    @app.command("wrong")
    async def wrong(incoming: Incoming, reply: Reply) -> Any:
        return WRONG[incoming.rest]

    @app.command("menu")
    async def menu(incoming: Incoming, reply: Reply) -> Outgoing:
        return Outgoing("Menu", buttons=[[Button("Go", "go")]])

    @app.command("flat")
    async def flat(incoming: Incoming, reply: Reply) -> Outgoing:
        return Outgoing("Menu", buttons=[Button("Go", "go")])  # type: ignore[list-item]

    @app.middleware
    async def around(incoming: Incoming, reply: Reply, next: Next) -> Any:
        return 5 if incoming.text == "/around" else await next(incoming, reply)

    return app


async def test_texts_by_language_are_said_in_the_persons(tg: Tg) -> None:
    ann, ivan = tg.user("Ann"), tg.user("Ivan", language="ru")
    assert [(await one.say("/morning")).text for one in (ann, ivan)] == ["Good morning", "Доброе утро"]
    assert [(await one.say("/shut")).text for one in (ann, ivan)] == ["We are closed.", "Мы закрыты."]
    assert str(UserError({"ru": "Нет", "en": "No"})) == "No"


async def test_what_cannot_be_sent_is_explained_with_the_line_of_the_program(tg: Tg, stage: Stage) -> None:
    ann = tg.user("Ann")
    for word in WRONG:
        assert "code" in (await ann.say(f"/wrong {word}")).text, word
    await ann.say("/menu")
    await ann.press("Go")
    await ann.say("/flat")
    await ann.say("/around")
    path = path_beside(Path(stage.settings.database_url.partition(":///")[2]))
    assert path is not None
    told = [explain(one) for one in read_incidents(path)]
    functions = [*(["wrong"] * len(WRONG)), "go", "flat", "around"]
    assert [f" in {name}" in one[1] for name, one in zip(functions, told, strict=True)] == [True] * len(told), told
    assert all(__file__ in one[1] for one in told), told
    assert "defect of Govorun" not in str(told)


def test_a_flat_row_of_buttons_and_an_empty_text_say_what_is_expected() -> None:
    with pytest.raises(TypeError, match=r"a row of buttons is a list: buttons=\[\[Button\(\.\.\.\)\]\]"):
        Outgoing("Menu", buttons=[Button("Go", "go")])  # type: ignore[list-item]


async def test_a_message_by_itself_is_refused_alike(tg: Tg) -> None:
    await tg.user("Ann").say("/menu")
    ann = tg.user("Ann").id
    for what in ("", Outgoing(""), {"en": ""}):
        with pytest.raises(TypeError, match="empty"):
            await tg.running.send(ann, what, key="1")
    with pytest.raises(TypeError, match="a row of buttons is a list"):
        await tg.running.send(ann, "Menu", key="1", buttons=[Button("Go", "go")])  # type: ignore[list-item]
