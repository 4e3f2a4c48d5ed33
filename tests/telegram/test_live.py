"""An answer while it is being written: drafts, edits, their pace, the Stop buttons."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncGenerator
from itertools import pairwise

import pytest

from bot.ai import Chunk, Request
from bot.concurrency import backpressure
from bot.llm.routing import ModelOption, Routing
from bot.sandbox.telegram.http import ApiCall
from bot.sandbox.telegram.server_facade import buttons_of
from bot.types import Address, Outgoing
from tests.support.scripted_model import ScriptedModel
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import DRAFTS, QUESTION, counted, drafts, loud, said, settled, soon

WORD = re.compile(r"word(\d+)")


def most_within(times: list[float], seconds: float) -> int:
    return max((sum(start <= at <= start + seconds for at in times) for start in times), default=0)


def newest_word(frame: ApiCall) -> int:
    """The number of the last word of `counted` in a frame."""
    return int(WORD.findall(frame.params["text"])[-1])


# --- drafts -----------------------------------------------------------------------------------------------------------


async def test_a_minute_of_drafts_stays_within_telegrams_budget(stage: Stage) -> None:
    stage.telegram.limits.on = True
    stage.studio.speed = 5
    await stage.start()
    stage.studio.script(["| a | b |\n|---|---|\n", *[f"| word{number} | x |\n" for number in range(300)]])
    stage.telegram.say(ANNA, "count")
    assert "word299" in (await stage.texts(1))[0]
    times = [call.monotonic for call in drafts(stage)]
    assert len(times) > 40
    assert most_within(times, 5.0) <= 20
    assert most_within(times, 30.0) <= 40
    assert {call.status for call in stage.telegram.calls} == {200}


async def test_an_answer_that_goes_on_lands_as_one_message_that_is_edited(stage: Stage) -> None:
    """Drafts for the first seconds, then edits: in both the text is never old, and nobody is refused."""
    stage.telegram.limits.on = True
    stage.studio.speed = 50
    await stage.start()
    for turn in range(4):
        stage.studio.script(counted(200))
        begun = stage.clock.monotonic()
        assert "word199" in await stage.ask("count")
        shown = [call.monotonic for call in (*drafts(stage), *loud(stage)) if call.monotonic > begun]
        assert max(later - earlier for earlier, later in pairwise(sorted(shown))) < 0.6
        assert len(stage.telegram.texts(ANNA)) == turn + 1
        await stage.clock.sleep(2)
    assert len(drafts(stage)) == 40
    assert {call.status for call in stage.telegram.calls} == {200}


class SlowModel(ScriptedModel):
    """A model that writes fifty words a second, over a source that counts how often its view holds and releases it."""

    holds = releases = 0

    def hold(self) -> None:
        self.holds += 1

    def release(self) -> float:
        self.releases += 1
        return 0.0

    async def stream(self, request: Request) -> AsyncGenerator[Chunk]:
        flow = backpressure.current.get()
        assert flow is not None
        flow.attach(self)
        async for chunk in super().stream(request):
            await asyncio.sleep(0.02)
            yield chunk
        flow.detach(self)


async def test_a_model_is_read_when_a_frame_is_made_and_not_for_every_word(stage: Stage) -> None:
    model = SlowModel("".join(counted(200)))
    stage.given = {"routing": model.routing}
    await stage.start()
    assert "word199" in await stage.ask("count")
    assert model.holds > 3
    assert model.releases <= len(drafts(stage)) + len(loud(stage)) + 3 < 30


async def test_a_view_holds_back_its_own_answer_alone(stage: Stage) -> None:
    """The model that answers at once needs no frame; that another answer is held back meanwhile is nothing to it."""
    slow, quick = SlowModel("".join(counted(200))), SlowModel("here")
    stage.given = {"routing": Routing([ModelOption("slow", "Slow", slow), ModelOption("quick", "Quick", quick)])}
    await stage.start()
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: slow.holds or None)
    stage.telegram.say(BORIS, "/model quick")
    await stage.texts(1, BORIS)
    stage.telegram.say(BORIS, "hello")
    await stage.texts(2, BORIS)
    assert (quick.holds, slow.releases < slow.holds + 3) == (0, True)
    assert "word199" in (await stage.texts(1))[0]


async def test_a_frame_shows_what_the_model_had_written_by_then(stage: Stage) -> None:
    """Drafts and edits: what was kept back since the last frame comes through all readers before the next is made."""
    stage.studio.speed = 50
    await stage.start()
    stage.studio.script(counted(400))
    begun = stage.clock.monotonic()
    await stage.ask("count")
    frames = [*drafts(stage), *stage.telegram.calls_of("sendMessage", "editMessageText")][:-1]
    delays = [frame.monotonic - begun - newest_word(frame) / 50 for frame in frames]
    assert max(delays) - min(delays) < 0.05


async def test_after_a_flood_wait_an_answer_stays_a_draft_to_its_end(stage: Stage) -> None:
    stage.studio.speed = 10
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 5})
    await stage.ask("hello")
    stage.studio.script(counted(100))
    before = len(loud(stage))
    assert "word99" in await stage.ask("count")
    assert len(loud(stage)) == before + 1
    assert len(drafts(stage)) > 10


async def test_an_answer_that_had_landed_goes_on_in_its_message_after_a_restart(stage: Stage) -> None:
    stage.studio.speed = 10
    await stage.start()
    stage.studio.script(counted(80), counted(80))
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: stage.telegram.calls_of("editMessageText") or None)
    shown = len(drafts(stage))
    await stage.crash()
    await stage.start()
    assert [text.split()[-1] for text in await stage.texts(1)] == ["word79"]
    assert len(drafts(stage)) == shown


async def test_an_answer_that_dies_while_it_lands_leaves_no_half_behind(stage: Stage) -> None:
    stage.studio.speed = 10
    await stage.start()
    stage.studio.script(counted(80), counted(80))
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: stage.growing() or None)  # Telegram has the message, the bot does not know yet
    await stage.crash()
    await stage.start()
    assert [text.split()[-1] for text in await stage.texts(1)] == ["word79"]


async def test_answers_in_a_row_share_the_budget_of_drafts(stage: Stage) -> None:
    stage.telegram.limits.on = True
    stage.studio.speed = 10
    await stage.start()
    for number in range(5):
        stage.studio.script(counted(80))
        stage.telegram.say(ANNA, f"count {number}")
    await stage.texts(5)
    times = [call.monotonic for call in drafts(stage)]
    assert most_within(times, 5.0) <= 20
    assert most_within(times, 30.0) <= 40
    assert {call.status for call in stage.telegram.calls} == {200}


async def test_forty_people_at_once_are_never_refused(stage: Stage) -> None:
    stage.telegram.limits.on = True
    await stage.start(yc_concurrency=40)
    people = range(2001, 2041)
    for person in people:
        stage.telegram.say(person, "hello")
    await stage.until(lambda: all(stage.telegram.texts(person) for person in people) or None)
    assert [call for call in stage.telegram.calls if call.status == 429] == []


async def test_a_lively_group_is_never_refused(stage: Stage) -> None:
    stage.telegram.limits.on = True
    stage.studio.speed = 2
    await stage.start()
    for number in range(6):
        stage.studio.script(counted(20))
        stage.telegram.say(TEAM, f"{QUESTION} {number}", ANNA)
    await stage.texts(6, TEAM)
    await settled(stage, *["sent"] * 6)
    assert [call for call in stage.telegram.calls if call.status == 429] == []


async def test_a_model_that_thinks_for_a_minute_keeps_its_draft_alive(stage: Stage) -> None:
    stage.studio.ttft = 25.0
    await stage.start()
    stage.studio.script(["at last"])
    stage.telegram.say(ANNA, "think")
    draft = await stage.until(lambda: next(iter(stage.telegram.drafts), None))
    assert draft["thinking"]
    assert draft["can_stop"]
    for _ in range(20):
        await stage.clock.sleep(1)
        assert stage.telegram.drafts
    assert await stage.texts(1) == ["at last"]


async def test_a_stream_that_stalls_keeps_its_draft_alive(stage: Stage) -> None:
    stage.studio.speed = 1 / 25
    await stage.start(answer_deadline=300.0)
    stage.studio.script(counted(4))
    stage.telegram.say(ANNA, "count slowly")
    await soon(stage, lambda: [draft for draft in stage.telegram.drafts if draft["text"]])
    for _ in range(60):
        await stage.clock.sleep(1)
        assert stage.telegram.drafts
    times = [call.monotonic for call in drafts(stage)]
    assert max(later - earlier for earlier, later in pairwise(times)) < 29
    await stage.texts(1)


async def test_nothing_like_a_draft_follows_the_finished_message(stage: Stage) -> None:
    stage.studio.speed = 30
    await stage.start()
    for number in range(4):
        stage.studio.script(counted(15 + number))
        await stage.ask("count")
        final = stage.telegram.calls_of("sendMessage")[-1]
        await stage.clock.sleep(45)
        assert [call for call in drafts(stage) if call.monotonic > final.monotonic] == []
    assert stage.telegram.drafts == []


async def test_a_flood_wait_for_drafts_costs_only_drafts(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    stage.telegram.fail_next("sendMessageDraft", code=429, parameters={"retry_after": 35})
    stage.studio.script(counted(30))
    asked = stage.clock.monotonic()
    assert "word29" in await stage.ask("count")
    assert stage.clock.monotonic() - asked < 30
    assert len(drafts(stage)) == 1
    stage.studio.script(counted(300))
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: len(drafts(stage)) > 1 or None)
    first, second = drafts(stage)[:2]
    assert second.monotonic - first.monotonic >= 35


@pytest.mark.parametrize(
    ("code", "description"),
    [(404, "Not Found: method not found"), (400, "Bad Request: TEXTDRAFT_PEER_INVALID"), (403, "Forbidden: no drafts")],
)
async def test_where_drafts_are_refused_the_answer_grows_by_edits(stage: Stage, code: int, description: str) -> None:
    stage.telegram.fail_next("sendMessageDraft", code=code, description=description, times=None)
    stage.studio.speed = 5
    await stage.start()
    stage.studio.script(counted(40))
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: "word39" in "".join(stage.telegram.texts(ANNA)) or None)
    await settled(stage, "sent")
    assert len(drafts(stage)) == 1
    assert len(stage.telegram.texts(ANNA)) == 1
    assert len(stage.telegram.calls_of("editMessageText")) >= 2


@pytest.mark.parametrize("fault", [{"reset": True}, {"code": 502}, {"code": 200, "body": b"<html>"}, {"delay": 40.0}])
async def test_drafts_that_break_cost_nothing(stage: Stage, fault: dict[str, object]) -> None:
    stage.telegram.fail_next("sendMessageDraft", times=None, **fault)  # type: ignore[arg-type]
    stage.studio.speed = 10
    await stage.start()
    stage.studio.script(counted(40))
    asked = stage.clock.monotonic()
    assert "word39" in await stage.ask("count")
    assert stage.clock.monotonic() - asked < 25
    assert len(stage.telegram.texts(ANNA)) == 1


async def test_a_rich_draft_that_is_refused_becomes_a_simpler_one(stage: Stage) -> None:
    stage.telegram.fail_next(
        "sendRichMessageDraft", code=400, description="Bad Request: RICH_MESSAGE_CONTENT_REQUIRED", times=None
    )
    stage.studio.speed = 3
    await stage.start()
    stage.studio.script(["| a | b |\n|---|---|\n", *[f"| {n} | x |\n" for n in range(30)]])
    stage.telegram.say(ANNA, "table")
    await stage.until(lambda: len(drafts(stage)) > 3 or None)
    assert len(stage.telegram.calls_of("sendRichMessageDraft")) == 1
    await stage.texts(1)
    assert "rich_message" in said(stage)[0]


BAD_LINK = "Bad Request: entity URL 'http://private.words' is invalid: Wrong HTTP URL"


@pytest.mark.parametrize(("streaming", "method"), [("draft", "sendMessageDraft"), ("edit", "editMessageText")])
async def test_a_frame_whose_entities_are_refused_is_shown_as_plain_text_at_once(
    stage: Stage, streaming: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    stage.studio.speed = 10
    await stage.start(streaming=streaming)
    refused = stage.telegram.fail_next(method, code=400, description=BAD_LINK)
    stage.studio.script(["**bold** ", *counted(60)])
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: len(stage.telegram.calls_of(method)) > 2 or None)
    first, second, third = stage.telegram.calls_of(method)[:3]
    assert (refused.hits, first.status, second.status) == (1, 400, 200)
    assert "entities" in first.params
    assert second.params["text"].startswith("**bold** word")
    assert {"entities"} & {*second.params, *third.params} == set()
    assert second.monotonic - first.monotonic < 1.3
    assert (await stage.texts(1))[0].startswith("bold word")
    lines = [record for record in caplog.records if "refused" in record.message]
    assert [line.levelname for line in lines] == ["WARNING"]
    assert "Wrong HTTP URL" in lines[0].message
    assert "private" not in caplog.text


async def test_a_frame_that_no_form_helps_ends_the_view_and_costs_only_that(stage: Stage) -> None:
    stage.studio.speed = 10
    await stage.start(streaming="edit")
    stage.telegram.fail_next("editMessageText", code=400, description="Bad Request: message to edit not found")
    stage.studio.script(counted(60))
    assert "word59" in await stage.ask("count")
    assert len(stage.telegram.calls_of("editMessageText")) == 2


async def test_an_answer_that_can_not_be_stored_at_once_is_asked_once_and_leaves_no_view_behind(stage: Stage) -> None:
    stage.studio.speed = 10
    app = await stage.start()
    await app.store.write(lambda tx: tx.connection.exec_driver_sql("PRAGMA busy_timeout=0"))
    stage.studio.script(counted(20))
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: drafts(stage) or None)
    other = sqlite3.connect(stage.settings.database_url.partition(":///")[2], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await stage.clock.sleep(30)
    assert not stage.telegram.texts(ANNA)
    other.close()
    assert "word19" in (await stage.texts(1))[0]
    assert len(stage.prompts()) == 1
    final = stage.telegram.calls_of("sendMessage")[-1]
    await stage.clock.sleep(90)
    assert [call for call in drafts(stage) if call.monotonic > final.monotonic] == []


async def test_a_view_that_ends_leaves_a_later_one_of_its_turn_to_the_answer(stage: Stage) -> None:
    app = await stage.start()
    await stage.ask("hello")
    address = Address("telegram", app.telegram.api.id, ANNA)
    earlier, later = app.telegram.reply(address, "900"), app.telegram.reply(address, "900")
    earlier.begin("draft")
    earlier.append("half")
    begun = stage.clock.monotonic()
    await soon(stage, lambda: [call for call in drafts(stage) if call.monotonic > begun])
    later.begin("draft")
    await earlier.close()
    await app.store.write(lambda tx: tx.outbox.add_answer("900", address, Outgoing("whole")))
    await app.telegram.deliverer.deliver(address)
    final = stage.telegram.calls_of("sendMessage")[-1]
    later.append("late")
    await stage.clock.sleep(30)
    assert [call for call in drafts(stage) if call.monotonic > final.monotonic] == []


@pytest.mark.parametrize("streaming", ["draft", "edit"])
async def test_what_is_written_gets_a_frame_more_only_where_keeping_it_takes_long(stage: Stage, streaming: str) -> None:
    app = await stage.start()
    reply = app.telegram.reply(Address("telegram", app.telegram.api.id, ANNA), "77")
    reply.begin(streaming)
    reply.append("A")
    await stage.until(lambda: drafts(stage) or loud(stage) or None)
    reply.append(" word.")
    reply.complete()
    await stage.clock.sleep(1.4)
    shown = [call.params["text"] for call in (*drafts(stage), *loud(stage))]
    await stage.clock.sleep(0.6)
    late = [call.params["text"] for call in (*drafts(stage), *loud(stage))]
    await reply.close()
    assert (shown, late) == (["A"], ["A", "A word."])


# --- edits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("chat", "pace"), [(ANNA, 0.36), (TEAM, 5.0)])
async def test_edits_keep_their_pace(stage: Stage, chat: int, pace: float) -> None:
    stage.telegram.limits.on = True
    stage.studio.speed = 10
    await stage.start(streaming="edit")
    stage.studio.script(counted(250))
    stage.telegram.say(chat, QUESTION, ANNA)
    await stage.until(lambda: "word249" in "".join(stage.telegram.texts(chat)) or None)
    times = [call.monotonic for call in loud(stage, chat)]
    assert len(times) >= 25 / max(pace, 1) / 1.5
    assert all(later - earlier > pace - 0.001 for earlier, later in pairwise(times[:-1]))
    assert {call.status for call in stage.telegram.calls} == {200}


async def test_a_flood_wait_on_edits_is_kept_and_the_end_arrives(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start(streaming="edit")
    stage.studio.script(counted(50))
    stage.telegram.fail_next("editMessageText", code=429, parameters={"retry_after": 60})
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: "word49" in "".join(stage.telegram.texts(ANNA)) or None)
    refused = next(call for call in loud(stage) if call.status == 429)
    later = [call for call in loud(stage) if call.monotonic > refused.monotonic]
    assert later[0].monotonic - refused.monotonic >= 60
    assert len(stage.telegram.texts(ANNA)) == 1


@pytest.mark.parametrize("apply", [True, False])
async def test_a_placeholder_whose_confirmation_was_lost_becomes_the_answer(stage: Stage, apply: bool) -> None:
    stage.studio.speed = 2
    await stage.start(streaming="edit")
    stage.telegram.fail_next("sendMessage", reset=True, apply=apply)
    stage.studio.script(counted(12))
    stage.telegram.say(ANNA, "count")
    await settled(stage, "sent")
    assert [text.split()[-1] for text in stage.telegram.texts(ANNA)] == ["word11"]
    assert not stage.growing()


async def test_an_answer_waits_for_its_view_though_another_turn_delivers_it(stage: Stage) -> None:
    """It ends while a frame is on its way, and a notice that was begun before it has just been delivered."""
    stage.studio.ttft, stage.studio.speed = 0.1, 10
    await stage.start(streaming="edit", user_rate=1, user_burst=1, telegram_chat_rate=10.0)
    stage.studio.script(counted(10))
    stage.telegram.fail_next("sendMessage", code=0, delay=1.2)
    stage.telegram.fail_next("editMessageText", code=0, delay=0.9)
    stage.telegram.say(ANNA, "count")
    stage.telegram.say(ANNA, "and more")
    await settled(stage, "sent", "sent")
    await stage.clock.sleep(5)
    assert sorted(text.split()[-1] for text in stage.telegram.texts(ANNA)) == ["again.", "word9"]
    assert not stage.growing()


async def test_an_edited_answer_survives_a_crash_as_one_message(stage: Stage) -> None:
    stage.studio.speed = 2
    await stage.start(streaming="edit")
    stage.studio.script(counted(30), counted(30))
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: len(stage.telegram.calls_of("editMessageText")) >= 2 or None)
    await stage.crash()
    await stage.start()
    await settled(stage, "sent")
    assert [text.split()[-1] for text in stage.telegram.texts(ANNA)] == ["word29"]


async def test_an_answer_begins_to_grow_only_below_the_one_that_a_restart_has_left(stage: Stage) -> None:
    await stage.start(streaming="edit", telegram_chat_rate=0.0, telegram_rate=0.0)
    stage.telegram.fail_next("sendMessage", code=502, times=None)
    stage.studio.script("first")
    stage.telegram.say(ANNA, "one")
    stage.telegram.say(ANNA, "two")
    await soon(stage, lambda: stage.telegram.calls_of("sendMessage"))
    await stage.clock.sleep(3)
    await stage.crash()
    stage.telegram.faults.clear()
    stage.telegram.fail_next("sendMessage", code=502, times=1)
    stage.studio.speed = 4
    stage.studio.script(counted(40))
    await stage.start()
    texts = await stage.texts(2)
    assert texts[0] == "first"
    assert "word39" in texts[1]


async def test_streaming_off_shows_only_the_finished_answer(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start(streaming="off")
    stage.studio.script(counted(30))
    assert "word29" in await stage.ask("count")
    assert not stage.telegram.calls_of(*DRAFTS)
    assert len(loud(stage)) == 1


# --- stopping ---------------------------------------------------------------------------------------------------------


async def test_the_stop_button_of_a_growing_message_stops_it(stage: Stage) -> None:
    stage.studio.speed = 2
    await stage.start()
    stage.studio.script(counted(500))
    stage.telegram.say(TEAM, QUESTION, ANNA)
    await stage.until(lambda: said(stage, TEAM) or None)
    message = said(stage, TEAM)[0]
    button = buttons_of(message)[0]
    stage.telegram.press(TEAM, message["message_id"], button["callback_data"], BORIS)
    await settled(stage, "sent")
    assert stage.telegram.texts(TEAM)[0].endswith("stopped")
    assert not stage.growing(TEAM)
    await soon(stage, lambda: stage.telegram.calls_of("answerCallbackQuery"))


async def test_stop_before_the_first_word_is_answered_too(stage: Stage) -> None:
    stage.studio.ttft = 20.0
    await stage.start()
    stage.studio.script(counted(5))
    stage.telegram.say(ANNA, "count")
    draft = await stage.until(lambda: next(iter(stage.telegram.drafts), None))
    stage.telegram.stop(ANNA, draft["draft_id"])
    assert await stage.texts(1) == ["Stopped."]
    assert stage.telegram.drafts == []


async def test_a_stop_in_one_topic_leaves_the_other_alone(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    first, second = (stage.telegram.topic(ANNA, name=name)["id"] for name in ("one", "two"))
    stage.studio.answer(lambda messages: "".join(counted(25)))
    for thread in (first, second):
        stage.telegram.say(ANNA, "count", thread_id=thread)
    draft = await stage.until(
        lambda: next((d for d in stage.telegram.state.live_drafts() if d.thread_id == first and d.text), None)
    )
    stage.telegram.stop(ANNA, draft.draft_id, first)
    assert (await stage.texts(1, ANNA, first))[0].endswith("stopped")
    assert (await stage.texts(1, ANNA, second))[0].endswith("word24")


async def test_no_answer_waits_for_a_draft_that_hangs(stage: Stage) -> None:
    stage.telegram.fail_next("sendMessageDraft", code=0, delay=30.0, times=None)
    await stage.start()
    stage.studio.speed = 10
    stage.studio.script(counted(20))
    asked = stage.clock.monotonic()
    await stage.ask("count")
    assert stage.clock.monotonic() - asked < 25
