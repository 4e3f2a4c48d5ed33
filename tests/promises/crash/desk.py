"""What a customer and an operator do at the support desk while the bot is struck. Begin with `DESK`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bot.sandbox.painter import draw
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.server_facade import buttons_of, text_of
from bot.texts.catalog import say
from tests.promises.crash.driver import Scenario
from tests.promises.crash.judge import Place, Verdict, judge
from tests.promises.crash.world import LONG_WORDS, PATIENCE, World

ANNA, OLGA = 1001, 1003
BOT = "@govorun_sandbox_bot"
STREAMED = 900  # the number of the question whose answer is taken over
EXCHANGES = 2
CUPS = [draw("a cup", number, 8, 8) for number in range(3)]  # an album, which goes both ways
SAID = tuple(say("en", f"desk.{name}") for name in ("called", "returned", "is_called", "goes_on"))
RELAYED = re.compile(r"answer \d+")


async def serve(world: World) -> None:
    """A group is connected, a customer calls, both write, a file goes over, the bot is interrupted and comes back."""
    group = world.telegram.group("Support", [OLGA], is_forum=True)["id"]
    world.telegram.promote(group)
    world.telegram.say(group, f"/desk{BOT}", OLGA)
    await press(world, group, "desk.group.use")
    await seen(world, partial(said, world, group, say("en", "desk.group.connected")))
    world.telegram.say(ANNA, "/human")
    await seen(world, partial(said, world, ANNA, say("en", "desk.called")))
    await press(world, group, "desk.take")
    await seen(world, partial(button, world, group, "desk.bot"))
    for number in range(EXCHANGES):
        world.telegram.say(ANNA, f"question {number}")
        await seen(world, partial(said, world, group, f"question {number}"))
        world.telegram.say(group, f"answer {number}", OLGA, topic(world, group))
        await seen(world, partial(said, world, ANNA, f"answer {number}"))
    world.telegram.say(group, "// a note", OLGA, topic(world, group))
    edited = world.telegram.say(group, "answer 8", OLGA, topic(world, group))
    await seen(world, partial(said, world, ANNA, "answer 8"))
    world.telegram.edit(group, edited["message_id"], "answer 9", OLGA)
    await seen(world, partial(said, world, ANNA, "answer 9"))
    world.telegram.upload(
        group, b"%PDF", "document", name="label.pdf", user_id=OLGA, thread_id=topic(world, group)
    )  # fmt: skip
    await seen(world, lambda: files(world) > 0)
    world.telegram.album(ANNA, CUPS)
    await seen(world, lambda: len(photos(group_texts(world, group))) >= len(CUPS))
    world.telegram.album(group, CUPS, user_id=OLGA, thread_id=topic(world, group))
    await seen(world, lambda: len(photos(world.own(Place(ANNA)))) >= len(CUPS))
    world.telegram.say(group, "/bot", OLGA, topic(world, group))
    await seen(world, partial(said, world, ANNA, say("en", "desk.returned")))
    world.telegram.say(ANNA, f"ask{STREAMED} {LONG_WORDS}")
    await seen(world, lambda: any(f"mark{STREAMED}" in text_of(one) for one in world.own(Place(ANNA))))
    world.telegram.say(group, "/take", OLGA, topic(world, group))
    await seen(world, partial(button, world, group, "desk.bot"))
    world.telegram.say(group, "answer 10", OLGA, topic(world, group))
    await seen(world, partial(said, world, ANNA, "answer 10"))
    world.telegram.say(ANNA, "/bot")
    await seen(world, lambda: count(world, say("en", "desk.returned")) > 1)
    world.ask(ANNA)
    await world.answered()


async def seen(world: World, found: Callable[[], object]) -> None:
    await world.telegram.wait_for(lambda: found() or None, PATIENCE)


async def press(world: World, group: int, key: str) -> None:
    """Press a button as soon as it is there."""
    message, data = await world.telegram.wait_for(partial(button, world, group, key), PATIENCE)
    world.telegram.press(group, message["message_id"], data, OLGA)


def button(world: World, group: int, key: str) -> tuple[Message, str] | None:
    """The newest message of the bot in the group with this button, and the button's data."""
    label = say("en", key)
    for message in reversed(group_texts(world, group)):
        for one in buttons_of(message):
            if one["text"] == label:
                return message, str(one["callback_data"])
    return None


def group_texts(world: World, group: int) -> list[Message]:
    bot = world.telegram.state.profile.id
    return [one for one in world.telegram.transcript(group) if one["from"]["id"] == bot]


def topic(world: World, group: int) -> int:
    """The topic in which the card stands."""
    cards = [one for one in group_texts(world, group) if text_of(one).startswith("#")]
    return int(cards[0]["message_thread_id"])


def said(world: World, chat: int, text: str) -> bool:
    messages = world.own(Place(chat)) if chat > 0 else group_texts(world, chat)
    return any(text_of(one) == text for one in messages)


def count(world: World, text: str) -> int:
    return sum(text_of(one) == text for one in world.own(Place(ANNA)))


def files(world: World) -> int:
    return sum("document" in one for one in world.own(Place(ANNA)))


def photos(messages: list[Message]) -> list[str]:
    """The album of each photo, "" for one that stands alone."""
    return [one.get("media_group_id", "") for one in messages if "photo" in one]


def is_desks(message: dict[str, Any]) -> bool:
    text = text_of(message)
    return (
        text in SAID
        or bool(RELAYED.fullmatch(text))
        or not {"document", "photo"}.isdisjoint(message)
        or f"mark{STREAMED}" in text
    )


def prompts(world: World) -> list[list[dict[str, str]]]:
    """What the model was asked, without what was said at the desk: the judge reads questions of `World.ask`."""
    own = (f"ask{STREAMED}", f"mark{STREAMED}")
    asked = [seen.body["messages"] for seen in world.studio.seen("completion")]
    kept = [one for one in asked if own[0] not in one[-1]["text"]]
    return [[line for line in one if re.search(r"ask\d|mark\d", line["text"]) and not _has(line, own)] for one in kept]


def _has(line: dict[str, str], words: tuple[str, ...]) -> bool:
    return any(word in line["text"] for word in words)


def judged(world: World) -> Verdict:
    """Each message once, in order, on the other side only; the interrupted answer at most once, and marked."""
    mine = [one for one in world.own(Place(ANNA)) if not is_desks(one)]
    verdict = judge(world.questions, {Place(ANNA): mine}, prompts(world), world.telegram.calls)
    texts = [text_of(one) for one in world.own(Place(ANNA))]
    relayed = [text for text in texts if RELAYED.fullmatch(text)]
    wanted = [*(f"answer {number}" for number in range(EXCHANGES)), "answer 9", "answer 10"]
    if relayed != wanted:
        verdict.others.append(f"the customer reads {relayed}")
    if files(world) != 1:
        verdict.others.append(f"{files(world)} files")
    if any("note" in text for text in texts):
        verdict.others.append("a note reached the customer")
    (group,) = [chat.id for chat in world.telegram.state.chats.values() if chat.title == "Support"]
    for side, messages in (("customer", world.own(Place(ANNA))), ("operators", group_texts(world, group))):
        if len(albums := photos(messages)) != len(CUPS) or len(set(albums)) != 1:
            verdict.others.append(f"the album of the {side}: {albums}")
    shown = [text_of(one) for one in group_texts(world, group)]
    questions = [text for text in shown if text.startswith("question ")]
    if questions != [f"question {number}" for number in range(EXCHANGES)]:
        verdict.others.append(f"the operators read {questions}")
    if len([text for text in shown if text.startswith("#")]) != 1:
        verdict.others.append(f"not one card: {shown}")
    cut = [text for text in texts if f"mark{STREAMED}" in text]
    if len({re.search(rf"mark{STREAMED}-(\d+)", text)[1] for text in cut}) > 1:  # type: ignore[index]
        verdict.doubled.append(f"the interrupted answer stands twice: {cut}")
    return verdict


DESK = Scenario(
    "desk", serve, judged, places=[Place(ANNA)],
    world={"desk": Path("/nonexistent"), "owners": OLGA, "pause": 0.08, "streaming": "edit"},
)  # fmt: skip
