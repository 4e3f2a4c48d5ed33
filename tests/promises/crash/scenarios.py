"""What people do while the bot is struck: turns, long answers, topics, buttons, pictures. Begin with `SCENARIOS`."""

from __future__ import annotations

from functools import partial
from typing import Any

from bot.jobs.operations import OperationRunner
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.server_facade import buttons_of, text_of
from bot.telegram.sending.messages import NOTHING
from bot.texts import en
from bot.texts.catalog import say
from tests.promises.crash.desk import DESK
from tests.promises.crash.driver import Scenario
from tests.promises.crash.judge import Place, Verdict
from tests.promises.crash.world import PATIENCE, World
from tests.support.sandbox_client import jpeg_header

ANNA, BORIS, CLARA, TEAM = 1001, 1002, 1003, -1001000000001
PROMPT = "a lighthouse in a storm"
CHOICES = (say("en", "settings.streaming"), say("en", "streaming.off"))
CHOSEN = f"✓ {CHOICES[-1]}"
# The commits around an order, by what does them.
SUBMITTING = f"{OperationRunner._submit.__qualname__}.<lambda>"
ACCEPTED = (f"{OperationRunner._run.__qualname__}.running", f"{OperationRunner._end_at_once.__qualname__}.work")
# What a picture may come to when AI Studio fails: a sentence, with a button to order it again.
EXCUSES = tuple(en.TEXTS[key] for key in ("image.unknown", "image.failed", "error.denied"))


# --- words ------------------------------------------------------------------------------------------------------------


async def talk(world: World) -> None:
    """Two questions in a row in one chat, one in another."""
    world.ask(ANNA)
    world.ask(ANNA)
    world.ask(CLARA)
    await world.answered()


async def talk_long(world: World) -> None:
    world.ask(ANNA)
    world.ask(ANNA)
    await world.answered()


async def talk_in_topics(world: World) -> None:
    team = world.telegram.group("Forum", [ANNA], is_forum=True)["id"]
    topics = [world.telegram.topic(team, name=name)["id"] for name in ("one", "two")]
    for topic in topics:
        world.ask(team, thread=topic)
    await world.answered()


# --- buttons ----------------------------------------------------------------------------------------------------------


async def choose(world: World) -> None:
    """Ask for the settings, open one of them, choose a value: all in one message, which changes."""
    world.telegram.say(ANNA, "/settings")
    for label in CHOICES:
        message = await world.telegram.wait_for(partial(_panel, world, label), PATIENCE)
        data = next(button["callback_data"] for button in buttons_of(message) if button["text"] == label)
        world.telegram.press(ANNA, message["message_id"], data)
    await world.telegram.wait_for(partial(_panel, world, CHOSEN), PATIENCE)


def _panel(world: World, label: str) -> Message | None:
    """The settings as soon as they have a button with this label."""
    for message in world.own(Place(ANNA)):
        if label in [button["text"] for button in buttons_of(message)]:
            return message
    return None


def chosen(world: World) -> Verdict:
    """One message, which shows what was chosen. The closing question is judged beside it."""
    shown = [message for message in world.own(Place(ANNA)) if "mark" not in text_of(message)]
    verdict = world.judged(expected=lambda message: message in shown)
    if len(shown) != 1 or CHOSEN not in [button["text"] for button in buttons_of(shown[0])]:
        verdict.others.append(f"the chat shows {shown}")
    return verdict


# --- pictures ---------------------------------------------------------------------------------------------------------


async def order(world: World) -> None:
    """A picture, and a question right behind it, which does not wait for the picture. The first poll finds nothing."""
    world.studio.operations.polls["art"] = 1
    world.studio.paint(*[jpeg_header(512, 512)] * 3)
    world.telegram.say(ANNA, f"/image {PROMPT}")
    world.ask(ANNA)
    await world.answered()
    await world.telegram.wait_for(lambda: pictures(world) or excuses(world), PATIENCE)


def pictures(world: World) -> int:
    return sum(is_picture(message) for message in world.own(Place(ANNA)))


def excuses(world: World) -> int:
    return sum(is_excuse(message) for message in world.own(Place(ANNA)))


def is_picture(message: dict[str, Any]) -> bool:
    return "photo" in message and message.get("caption", "").startswith(f"{PROMPT}\n")


def is_excuse(message: dict[str, Any]) -> bool:
    return message.get("text") in EXCUSES


def drawn(world: World) -> Verdict:
    """One picture, or where AI Studio failed one sentence; paid once, except where nobody can know whether it was."""
    verdict = world.judged(expected=lambda message: is_picture(message) or is_excuse(message))
    if pictures(world) + excuses(world) != 1:
        verdict.others.append(f"{pictures(world)} pictures and {excuses(world)} excuses")
    if excuses(world) and not _studio_was_hurt(world):
        verdict.others.append("an excuse, though nothing was wrong with AI Studio")
    paid = 2 if outcome_was_unknown(world) else 1
    if not (0 if excuses(world) else 1) <= world.studio.bought <= paid:
        verdict.others.append(f"{world.studio.bought} pictures were bought, {paid} are allowed")
    return verdict


def _studio_was_hurt(world: World) -> bool:
    return world.strike is not None and world.strike.name.startswith("AI Studio")


def outcome_was_unknown(world: World) -> bool:
    """The process ended after the order was sent and before its operation id, or its picture, was on disk."""
    passed = world.lives()[0]
    submitting = any(line.startswith("after:") and SUBMITTING in line for line in passed)
    accepted = any(line.startswith("after:") and any(name in line for name in ACCEPTED) for line in passed)
    return bool(world.deaths) and submitting and not accepted


# --- files ------------------------------------------------------------------------------------------------------------


async def send_a_file(world: World) -> None:
    """A document, a question right behind it, and one in another chat."""
    world.telegram.upload(ANNA, b"The password is owl.", "document", name="note.txt")
    world.ask(ANNA)
    world.ask(CLARA)
    await world.answered()
    await world.telegram.wait_for(lambda: words_about_it(world), PATIENCE)


def words_about_it(world: World) -> int:
    return sum(is_about_it(message) for message in world.own(Place(ANNA)))


def is_about_it(message: dict[str, Any]) -> bool:
    return message.get("text") in (say("en", "document.read", name="note.txt"), say("en", "file.unavailable"))


def read_once(world: World) -> Verdict:
    verdict = world.judged(expected=is_about_it)
    if words_about_it(world) != 1:
        verdict.others.append(f"{words_about_it(world)} words about the file")
    return verdict


# --- for one person alone ---------------------------------------------------------------------------------------------


async def whisper(world: World) -> None:
    """Something that only one member of a group is told, and a question in private right behind it."""
    world.telegram.promote(TEAM)
    world.telegram.whisper(TEAM, "/whisper", ANNA)
    world.ask(ANNA)
    await world.answered()
    await world.telegram.wait_for(lambda: whispered(world), PATIENCE)


def whispered(world: World) -> list[str]:
    """What Anna alone was told, without messages that were opened and say nothing yet."""
    return [text for text in world.telegram.whispers(TEAM, ANNA) if text != NOTHING]


def told_alone(world: World) -> Verdict:
    verdict = world.judged()
    if whispered(world) != [say("en", "whisper.what")]:
        verdict.others.append(f"Anna was told {world.telegram.whispers(TEAM, ANNA)}")
    if world.telegram.texts(TEAM):
        verdict.others.append(f"everybody was told {world.telegram.texts(TEAM)}")
    return verdict


TURN = Scenario("turn", talk)
GROWING = Scenario("growing message", talk, world={"halting": True, "streaming": "edit"})
LONG = Scenario("long answer", talk_long, world={"sentences": 20, "padding": 100, "rich_messages": False})
TOPICS = Scenario("topics", talk_in_topics, world={"streaming": "off"})
BUTTONS = Scenario("buttons", choose, chosen, places=[Place(ANNA)])
PICTURE = Scenario("picture", order, drawn, world={"image_model": "yandex-art"})
AT_ONCE = Scenario("picture at once", order, drawn)
WHISPER = Scenario("whisper", whisper, told_alone, world={"streaming": "off"})
FILE = Scenario("file", send_a_file, read_once)
SCENARIOS = (TURN, GROWING, LONG, TOPICS, BUTTONS, PICTURE, AT_ONCE, WHISPER, FILE, DESK)
