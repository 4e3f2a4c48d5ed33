"""The examples, as somebody tests a bot who builds on Govorun: with nothing but the fixtures of `bot.testing`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot import App
from bot.app import find
from bot.testing.evaluating import evaluate
from bot.testing.stage import Stage
from bot.testing.studio import StudioSide
from bot.testing.tg import Tg

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bot_app(request: pytest.FixtureRequest, tmp_path: Path) -> App:
    """The App of the file that a test names with its marker; of README.md the example in it, as it stands there."""
    marker = request.node.get_closest_marker("example")
    assert marker is not None
    file = ROOT / "examples" / marker.args[0]
    if marker.args[0] == "README.md":
        file = tmp_path / "mybot.py"
        file.write_text(readme_example())
    return find(str(file))


def readme_example() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return str(code)


@pytest.mark.example("persona_bot.py")
async def test_the_pirate_greets_and_stays_in_the_role(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    assert (await ann.say("/start")).text.startswith("Ahoy, Ann!")
    studio.says("Arr, that be a fine question.")
    assert (await ann.say("Who are you?")).text == "Arr, that be a fine question."
    role, prompt = studio.prompts[-1][0]
    assert (role, prompt.startswith("You are Captain Brine")) == ("system", True)


@pytest.mark.example("persona_bot.py")
async def test_the_pirate_flips_a_coin_for_what_he_is_told(tg: Tg) -> None:
    said = await tg.user("Ann").say("/flip my hat")
    assert said.text in ("You bet my hat. It is heads!", "You bet my hat. It is tails!")
    assert "/flip – Flip a doubloon" in (await tg.user("Ann").say("/help")).text
    assert "/flip — Подбросить дублон" in (await tg.user("Оля", "ru").say("/help")).text


@pytest.mark.example("persona_bot.py")
async def test_the_pirates_own_case_holds_while_he_stays_in_the_role(
    stage: Stage, studio: StudioSide, bot_app: App
) -> None:
    studio.says("Arr, it keeps a ship upright.")
    assert [one.why for one in await evaluate(None, bot_app, stage)] == [""]
    studio.says("I am a language model.")
    (wrong,) = await evaluate(None, bot_app, stage)
    assert wrong.why == "it says 'language model'; the check of the code says no"
    found = await evaluate(ROOT / "examples" / "eval", bot_app, stage)
    assert {one.case.place for one in found} == {"pirate.toml:1", "pirate.toml:2", "stays_in_the_role"}


@pytest.mark.example("tool_bot.py")
async def test_the_library_looks_before_it_answers_and_lends_after_a_tap(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    studio.calls("stock", title="solaris")
    studio.says("There are two.")
    assert (await ann.say("Have you Solaris?")).text == "There are two."
    studio.calls("lend", title="Solaris")
    asked = await ann.say("I take it")
    assert asked.text == "Lend Solaris to you?"
    assert {"Do it", "Don't"} <= {*asked.buttons}
    studio.says("It is yours.")
    await ann.press("Do it")
    assert "It is yours." in tg.last.text
    studio.calls("stock")
    studio.says("One is left.")
    assert (await ann.say("And now?")).text == "One is left."
    assert '"Solaris": 1' in str(studio.requests[-1].body)


@pytest.mark.example("own_model.py")
async def test_a_model_of_ones_own_answers_and_another_can_be_chosen(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    assert (await ann.say("one two three")).text == "three two one"
    assert studio.requests == []
    assert any("Backwards" in label for label in (await ann.say("/model")).buttons)
    await ann.press("YandexGPT Lite")
    studio.says("I am another.")
    assert (await ann.say("and now?")).text == "I am another."


# --- the README -------------------------------------------------------------------------------------------------------


@pytest.mark.example("README.md")
async def test_the_readme_example_does_what_it_shows(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    assert (await ann.say("/start")).text == "Hello, Ann! What will it be?"
    assert "flat white" in (await ann.say("/menu")).text
    assert (await ann.say("/pay")).text == "Today it is on the house."
    studio.says("Sure.")
    assert (await ann.say("An espresso, please")).text == "Sure."
    assert studio.prompts[-1][0][1].startswith("You are a barista of few words.")
    studio.calls("left", drink="tea")
    studio.says("Seven cups.")
    assert (await ann.say("How much tea is left?")).text == "Seven cups."
    assert studio.questions[-1].endswith("7")
