"""Languages beside English and Russian: one behaviour for commands, tools, personas, greetings; and what is checked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot import App, Incoming, Reply, Tool
from bot.errors import ConfigError
from bot.prompts import schema
from bot.sandbox.telegram.methods.account import DEFAULT_SCOPE
from bot.testing.studio import StudioSide
from bot.testing.tg import Tg
from bot.texts import added
from bot.texts.added import Texts
from bot.texts.catalog import LANGUAGES, NAMES, say, spoken
from tests.support.stage import Stage
from tests.support.table import table

PERSONA = """
title.en = "Pirate"
title.de = "Pirat"
title.xx-nonsense = "?"
greeting.de = "Ahoi!"
"""


@pytest.fixture
def bot_app(tmp_path: Path) -> App:
    personas = tmp_path / "prompts" / "personas"
    personas.mkdir(parents=True)
    (personas / "assistant.toml").write_text(PERSONA)
    app = App(texts={"de": {"new": "Ein neues Gespräch."}, "en": {"new": "Anew!"}}, prompts_dir=tmp_path / "prompts")

    @app.command("tea", {"en": "Tea", "de": "Tee", "fr": "Thé"})
    async def tea(incoming: Incoming, reply: Reply) -> str:
        return incoming.language

    async def kettle() -> str:
        """Boil water."""
        return "boiled"

    app.tool(Tool.of(kettle, doing={"en": "boiling…", "de": "koche…"}))
    return app


async def test_own_words_are_shown_in_the_language_of_the_person_even_where_the_bot_has_none(
    tg: Tg, tmp_path: Path
) -> None:
    await tg.stage.stop()
    await tg.stage.start(prompts_dir=tmp_path / "prompts")
    eva, luc, ann = tg.user("Eva", "de"), tg.user("Luc", "fr"), tg.user("Ann")
    assert (await eva.say("/start")).text == "Ahoi!"
    assert "Tee" in (await eva.say("/help")).text
    assert "Thé" in (await luc.say("/help")).text
    assert (await eva.say("/new")).text == "Ein neues Gespräch."
    assert [(await one.say("/new")).text for one in (luc, ann)] == ["Anew!", "Anew!"]
    shown = tg.server.snapshot()["commands"][DEFAULT_SCOPE]
    assert {code: rows[0]["description"] for code, rows in shown.items()} == {
        "": "Tea", "ru": "Tea", "de": "Tee", "fr": "Thé",
    }  # fmt: skip
    tool = tg.stage.extension.ai.tools[0] if tg.stage.extension else None
    assert tool is not None
    assert [tool.progress_text(code) for code in ("de", "ru", "en")] == ["koche…", "boiling…", "boiling…"]


async def test_all_of_a_turn_works_in_a_language_that_a_programmer_has_added(tg: Tg, studio: StudioSide) -> None:
    eva = tg.user("Eva", "de")
    studio.says("Guten Tag.")
    assert (await eva.say("Guten Tag")).text == "Guten Tag."
    for word in ("settings", "usage", "model", "persona", "write", "chats", "context", "whoami", "jobs", "export"):
        assert "went wrong" not in (await eva.say(f"/{word}")).text, word


def test_an_unknown_language_key_costs_one_text_and_never_the_file(caplog: pytest.LogCaptureFixture) -> None:
    pirate = schema.persona(PERSONA.encode(), "pirate", "pirate.toml")
    assert (pirate.name("de"), pirate.name("ru"), pirate.name("de-AT")) == ("Pirat", "Pirate", "Pirat")
    assert "'xx-nonsense' is no language" in caplog.text


@table(
    ("given", "told"),
    [
        ({"de": {"retri": "x"}}, "de: retri is no sentence; did you mean retry?"),
        ({"de": {"shop.cart": "x"}}, "de: shop.cart is no sentence"),
        ({"de": {"start": "Hallo, {nme}"}}, "de: start: nothing is put in place of {nme}"),
        ({"deutsch": {}}, "'deutsch' is no language"),
        ({"de": {"members": {"one": "{count} Mitglied"}}}, "de: members: the form 'other' is missing"),
        ("nothing", "there is no file such as de.toml"),
    ],
)
def test_what_is_wrong_in_texts_is_told_in_a_line(given: Texts | str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        added.read(given)
    assert told in str(error.value)


async def test_wrong_texts_stop_the_start_in_one_line(stage: Stage) -> None:
    stage.extension = App(texts={"de": {"retri": "x"}}).extension
    with pytest.raises(ConfigError, match="retri is no sentence"):
        await stage.start()


async def test_plural_forms_without_babel_stop_the_start_in_one_line(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "babel", None)
    assert added.read({"de": {"members": "{count} Leute"}})
    stage.extension = App(texts={"de": {"members": {"one": "{count} Mitglied", "other": "{count} Leute"}}}).extension
    with pytest.raises(ConfigError) as error:
        await stage.start()
    assert str(error.value) == "texts: de: members: plural forms need Babel: pip install govorun[languages]"


async def test_what_a_language_lacks_is_told_once_at_the_start(tg: Tg, caplog: pytest.LogCaptureFixture) -> None:
    caplog.clear()
    await tg.restart()
    assert "texts: de has 1 of" in caplog.text
    assert "texts: en" not in caplog.text


def test_sentences_are_spoken_only_while_a_bot_runs() -> None:
    with spoken({"pl": {"members": {"one": "{count} a", "few": "{count} b", "other": "{count} c"}}}):
        assert [say("pl", "members", count=count) for count in (1, 2, 5)] == ["1 a", "2 b", "5 c"]
        assert NAMES["pl"] == "Polski"
        assert say("pl", "new") == say("en", "new")
    assert [*LANGUAGES] == [*NAMES] == ["en", "ru"]
    assert say("pl", "members", count=2) == say("en", "members", count=2)
