"""The examples, as somebody tests a bot who builds on Govorun: with nothing but the fixtures of `bot.testing`."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from bench.crew import free_port
from bot import App, Chunk, Finish, Profile, Request, Running, ToolContext
from bot.app import find
from bot.testing.evaluating import evaluate
from bot.testing.stage import Stage
from bot.testing.studio import StudioSide
from bot.testing.tg import Tg
from bot.testing.virtual_loop import LoopClock

ROOT = Path(__file__).parents[2]


class Parrot:
    """A model that says what it was told about the asker."""

    name = "parrot"
    profile = Profile()

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        yield Chunk(text="\n".join(message.text for message in request.messages), finish=Finish.STOP)


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


@pytest.mark.example("shop/__init__.py")
async def test_cases_are_asked_of_a_bot_whose_functions_use_the_running_bot(
    bot_app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a stage, in a database of their own: what the functions send and store is left undone."""
    opened, told = list[str](), list[str]()

    @bot_app.lifespan
    async def shelf(running: Running[Any]) -> AsyncIterator[str]:
        opened.append("opened")
        yield "a shelf"
        opened.append("closed")

    @bot_app.instructions
    async def notes(asker: ToolContext) -> str:
        running = bot_app.current
        sent = await running.send(7, "Somebody asks.", key="asks")
        planned = await running.later("lamp_of_the_day", key="soon", at=timedelta(1))
        order = sa.text("INSERT INTO shop_orders (customer, lamp) VALUES (7, 'moon')")
        rows = await running.store.write(lambda connection: connection.execute(order).rowcount)
        told.append(f"{running.state} {sent.state} {planned} {rows}")
        return f"Orders: {await lamps_of()}"

    async def lamps_of() -> int:
        count = sa.text("SELECT count(*) FROM shop_orders")
        return await bot_app.current.store.read(lambda connection: connection.execute(count).scalar_one())

    bot_app.model("parrot", Parrot())
    bot_app.case("hello", must_contain=["ordered: nothing yet", "Orders: 0"])(lambda answer: None)
    with pytest.raises(RuntimeError, match="no bot of this App runs here"):
        _ = bot_app.current
    assert [one.why for one in await evaluate(None, bot_app)] == [""]
    assert (opened, told) == (["opened", "closed"], ["a shelf delivered True 1"])
    assert "'asks' is not sent" in caplog.text

    @bot_app.instructions
    async def broken(asker: ToolContext) -> str:
        raise KeyError("the map of lamps")

    (failed,) = await evaluate(None, bot_app)
    assert failed.why == "HookFailed: broken has failed: KeyError: 'the map of lamps'"


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
    await ann.press("YandexGPT 5 Lite")
    studio.says("I am another.")
    assert (await ann.say("and now?")).text == "I am another."


@pytest.mark.example("maintenance_bot.py")
async def test_a_closed_bot_answers_nothing_else_and_only_testers_brew(tg: Tg, studio: StudioSide) -> None:
    await tg.stage.stop()
    await tg.stage.start(owners=(1001,))
    anna, bob, eva = tg.user("Anna"), tg.user("Bob"), tg.user("Eva", "de")
    assert (await anna.say("/brew")).text == "Three minutes, please."
    assert (await bob.say("/brew")).text == "Soon!"
    assert (await anna.say("/close")).text == "Closed."
    assert (await bob.say("Have you tea?")).text == "We are back at 10."
    assert (await eva.say("/help")).text == "Ab 10 Uhr sind wir wieder da."
    assert studio.requests == []
    assert (await anna.say("/open")).text == "Open."


@pytest.mark.example("buttons_bot.py")
async def test_a_lamp_is_bought_with_three_taps(tg: Tg) -> None:
    ann = tg.user("Ann")
    assert (await ann.say("/shop")).buttons == ["lamp: 19.90", "candle: 2.50"]
    await ann.press("lamp: 19.90")
    await ann.press("Back")
    await ann.press("lamp: 19.90")
    assert [(said.text, said.buttons) for said in ann.said()] == [("lamp for 20.90 with delivery", ["Pay", "Back"])]
    await ann.press("Pay")
    assert tg.last.text == "Paid: lamp. Thank you!"
    assert ann.said()[0].buttons == ["Back"]
    listed = (await ann.say("/help")).text
    assert "/image" not in listed
    assert listed.index("/shop") < listed.index("/new")


@pytest.mark.example("shop_news.py")
async def test_the_shop_tells_each_customer_once_that_the_parcel_is_on_its_way(stage: Stage) -> None:
    port = free_port()
    await stage.start(webhook_port=port, http_secret=SecretStr("a-secret-for-tests"))
    tg = Tg(stage)
    ann = tg.user("Ann")
    await ann.say("hi")
    url, bearer = f"http://127.0.0.1:{port}/order-shipped", {"Authorization": "Bearer a-secret-for-tests"}
    async with aiohttp.ClientSession(headers=bearer) as session:
        for first in (True, False):
            async with session.post(url, json={"customer": ann.id, "order": 7}) as response:
                assert await response.json() == {"first": first, "state": "delivered"}
    assert [said.text for said in ann.said()][1:] == ["Order 7 is on its way."]


@pytest.mark.example("morning_digest.py")
async def test_the_digest_comes_at_nine_where_a_person_is_and_tea_when_it_is_ready(tg: Tg, clock: LoopClock) -> None:
    ann, bob = tg.user("Ann"), tg.user("Bob")
    assert (await ann.say("/brew")).text == "Which tea?"
    assert (await ann.say("/brew green tea")).text == "Four minutes."
    await tg.crash()
    await clock.sleep(260)
    assert ann.said()[-1].text == "Your green tea is ready."
    await bob.say("/timezone Asia/Tokyo")
    heard: dict[str, str] = {}
    await tg.stage.stop()
    now = datetime.fromtimestamp(clock.time(), UTC)
    for name, person, zone in (("Bob", bob, "Asia/Tokyo"), ("Ann", ann, "Europe/Moscow")):
        nine = now.astimezone(ZoneInfo(zone)).replace(hour=9, minute=0, second=0) + timedelta(days=2)
        await clock.sleep(nine.timestamp() - clock.time() - 60)
        await tg.stage.start()
        before = len(person.said())
        await clock.sleep(90)
        heard[name] = person.said()[before].text
        await tg.stage.stop()
    await tg.stage.start()
    assert set(heard) == {"Ann", "Bob"}
    assert all(text.startswith("Good morning! Today is ") for text in heard.values())


@pytest.mark.example("orders.py")
async def test_orders_are_read_by_a_model_kept_and_forgotten(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    studio.says('{"drink": "tea", "cups": 3}')
    assert (await ann.say("/order three cups of tea")).text == "3 × tea: 6 coins"
    assert tg.stage.app is not None
    count = sa.text("SELECT count(*) FROM shop_orders")
    store = tg.stage.app.running.store
    assert await store.read(lambda connection: connection.scalar(count)) == 1
    await ann.say("/forget")
    await ann.press("Remove everything")
    assert await store.read(lambda connection: connection.scalar(count)) == 0


@pytest.mark.example("inside_another_program.py")
async def test_a_bot_inside_another_program_answers(bot_app: App, stage: Stage, studio: StudioSide) -> None:
    given = {name: getattr(stage.settings, name) for name in stage.settings.model_fields_set}
    studio.says("From within.")
    async with bot_app.running(**given) as running:
        stage.telegram.say(1001, "hi")
        assert await stage.texts(1) == ["From within."]
        assert running.bot == stage.settings.bot_id


@pytest.mark.example("form_bot.py")
async def test_flowers_are_ordered_by_a_form_that_a_restart_does_not_forget(tg: Tg) -> None:
    olya = tg.user("Оля", "ru")
    assert (await olya.say("/deliver")).buttons == ["Маленький", "Большой", "Отменить"]
    await olya.press("Маленький")
    await olya.say("Садовая, 5")
    await tg.restart()
    assert (await olya.say("2027-03-31")).text.startswith("Кому позвонить?")
    await olya.say("+7 900 123-45-67")
    await olya.press("Пропустить")
    assert tg.last.text == "S to Садовая, 5 on 31.03., +79001234567, no door"
    assert (await olya.say("/rename")).text.startswith("Что написать на открытке?")
    await olya.say("Маме")
    assert (await olya.say("2")).text == "2 × Маме"


@pytest.mark.example("guarded_bot.py")
async def test_the_model_is_told_of_the_customer_and_guarded(tg: Tg, studio: StudioSide) -> None:
    anna = tg.user("Anna")
    studio.says("Hello, Anna. It is 5 €.")
    assert (await anna.say("hello")).text == "Hello, Anna. It is 5 €.\n\nprices may change"
    assert "Anna, a member since 2019" in studio.prompts[-1][0][1]
    assert (await anna.say("Have you medicine?")).text == "We only sell books."
    studio.says("It opens on Monday.")
    assert "Monday" in (await anna.say("When does the new shop open?")).text
    assert "Elm Street" in str(studio.requests[-1].body)
    assert "yandexgpt-5-lite" in str(studio.requests[-1].body)
    studio.says("All is free of charge.")
    assert (await anna.say("What does it cost?")).text == "A colleague will answer this."
    assert "free of charge" not in str([call.params for call in tg.server.calls])
    studio.says("Yes.")
    await anna.say("Really?")
    assert "cost" not in str(studio.prompts[-1])


@pytest.mark.example("german_bot.py")
async def test_a_third_language_has_plural_forms_and_falls_back_to_english(tg: Tg, studio: StudioSide) -> None:
    eva, olya, ann = tg.user("Eva", "de"), tg.user("Оля", "ru"), tg.user("Ann")
    assert (await eva.say("/start")).text == "Hallo Eva, ein Tee?"
    assert (await eva.say("/cart 1")).text == "1 Artikel im Korb. Lieferung in 1 Tag."
    assert (await eva.say("/cart 3")).text == "3 Artikel im Korb. Lieferung in 3 Tagen."
    assert [(await olya.say(f"/cart {count}")).text.partition(".")[0] for count in (1, 2, 5, 21)] == [
        "1 товар в корзине", "2 товара в корзине", "5 товаров в корзине", "21 товар в корзине",
    ]  # fmt: skip
    assert (await ann.say("/cart 1")).text == "1 thing in the basket. Delivery in 1 day."
    assert "/cart – Was im Korb liegt" in (await eva.say("/help")).text
    assert (await eva.say("/nothing")).text.startswith("I don't know the command")
    chosen = await ann.say("/language")
    assert {"Deutsch", "Русский"} <= set(chosen.buttons)
    await ann.press("Deutsch")
    assert (await ann.say("/new")).text == "Ein neues Gespräch. Das alte bleibt: /chats."
    studio.says("Guten Tag.")
    assert (await ann.say("Guten Tag")).text == "Guten Tag."


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
