"""A search for an unconfirmed message in one topic, where another topic has one too."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import settled, soon


async def test_a_search_that_is_broken_off_does_not_take_another_topics_message(stage: Stage) -> None:
    """The first search edits the other topic's message and never hears of it; the second finds its own words there."""
    telegram = stage.telegram
    team = telegram.group("Forum", [ANNA], is_forum=True)["id"]
    first, second = (telegram.topic(team, name=name)["id"] for name in ("one", "two"))
    name = f"@{telegram.state.profile.username}"

    async def answer(messages: list[dict[str, str]]) -> AsyncGenerator[str]:
        yield "the "
        yield "answer "
        await stage.clock.sleep(20 if "slow" in messages[-1]["text"] else 0)
        yield "one" if "slow" in messages[-1]["text"] else "two"

    stage.studio.answer(answer)
    await stage.start(streaming="edit")
    refused = telegram.fail_next("sendMessage", reset=True)
    telegram.say(team, f"{name} slow", thread_id=first)
    await soon(stage, lambda: refused.hits)
    telegram.fail_next("sendMessage", reset=True, apply=True, times=None)
    telegram.fail_next("editMessageText", code=500, times=None)
    telegram.say(team, f"{name} quick", thread_id=second)
    await stage.clock.sleep(40)
    assert telegram.texts(team) == ["the answer two"]
    await stage.crash()
    telegram.faults.clear()
    telegram.fail_next("editMessageText", code=0)  # the first edit asks about the other's question
    telegram.fail_next("editMessageText", reset=True, apply=True)
    await stage.start(streaming="edit")
    await settled(stage, "sent", "sent")
    assert [telegram.texts(team, topic) for topic in (first, second)] == [["the answer one"], ["the answer two"]]
