"""Answers that come later and cost less: ordered once, paid once, told once, whatever happens in between."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import pairwise

import pytest

from bot.ai import Answered, Failed, Finish, Pending, Usage
from bot.config.entries import ModelConfig
from bot.errors import ModelDenied, ModelRefused, ModelUnavailable, OutcomeUnknown
from bot.features.deferred_answers import PATIENCE
from bot.sandbox.telegram.server_facade import buttons_of
from bot.storage.repositories.mapping import load_request
from bot.storage.tables.batch import BatchRun
from bot.testing.virtual_loop import VirtualLoop
from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.later_model import Slow, only
from tests.support.stage import ANNA, BORIS, CODE, TEAM, Stage
from tests.support.telegram_side import rows, soon

pytestmark = pytest.mark.usefixtures("older_models")

PRO = "YandexGPT Pro"
LITE = "YandexGPT Lite"


async def _begin(stage: Stage, slow: Slow, name: str = "yandexgpt") -> None:
    stage.given["later"] = only(slow, name)
    await stage.start()


async def test_an_answer_comes_later_as_a_reply_to_its_question(stage: Stage) -> None:
    slow = Slow(Pending(), Pending(), Answered("the *whole* answer", usage=Usage(100, 20)))
    await _begin(stage, slow)
    assert await stage.ask("/later compare all plans") == say("en", "later.taken", model=PRO)
    question = stage.telegram.transcript(ANNA)[0]["message_id"]
    assert (await stage.texts(2))[1] == "the whole answer"
    assert stage.telegram.transcript(ANNA)[-1]["reply_to_message"]["message_id"] == question
    assert slow.submitted[0].messages[-1].text == "compare all plans"
    assert len(slow.submitted) == 1


async def test_it_comes_into_the_topic_in_which_it_was_asked(stage: Stage) -> None:
    await _begin(stage, Slow(Pending(), Answered("here")))
    thread = stage.telegram.topic(ANNA, name="Plans")["id"]
    await stage.ask("/later compare", thread=thread)
    assert (await stage.texts(2, thread=thread))[-1] == "here"
    assert stage.telegram.transcript(ANNA)[-1]["message_thread_id"] == thread


async def test_it_sees_the_conversation_and_becomes_a_part_of_it(stage: Stage) -> None:
    slow = Slow(Answered("42"))
    await _begin(stage, slow)
    stage.studio.script("I will")
    await stage.ask("think of six times seven")
    stage.telegram.say(ANNA, "/later how much is it?")
    await stage.texts(3)
    assert [said.text for said in slow.submitted[0].messages[1:]] == [
        "think of six times seven", "I will", "how much is it?",
    ]  # fmt: skip
    stage.studio.script("sure")
    await stage.ask("are you sure?")
    assert [said["text"] for said in stage.prompts()[-1][-3:]] == ["how much is it?", "42", "are you sure?"]


async def test_a_model_is_asked_later_what_it_would_be_asked_now(stage: Stage) -> None:
    """Persona, the user's own model, pinned facts and documents count for both."""
    await stage.start()
    stage.telegram.upload(ANNA, b"The capital of Freedonia is Fredville.", "document", name="book.txt")
    await stage.texts(1)
    for words, label in (("/persona", "Translator"), ("/model", say("en", "model.everywhere"))):
        await stage.ask(words)
        await pressed(stage, label)
    await pressed(stage, LITE)
    await stage.ask("/pin my name is Anna")
    await stage.ask("hello")
    answers = len(stage.telegram.texts(ANNA))
    stage.telegram.say(ANNA, "/later what is the capital?")
    await stage.texts(answers + 2)
    now, (later,) = stage.studio.seen("completion")[-1].body, [one.body for one in stage.studio.seen("completionAsync")]
    assert later["modelUri"] == now["modelUri"]
    assert "lite" in now["modelUri"]
    system = later["messages"][0]["text"]
    assert now["messages"][0]["text"].startswith(system)  # which goes on with a word about tools
    assert "my name is Anna" in system
    assert "translator" in system
    texts = [said["text"] for said in later["messages"]]
    assert texts[-1].endswith("what is the capital?")
    assert any("Fredville" in text for text in texts)


async def test_it_names_the_pages_of_documents_and_is_stored_with_them_and_its_request(stage: Stage) -> None:
    slow = Slow(Answered("The capital is Fredville."))
    await _begin(stage, slow)
    stage.telegram.upload(ANNA, b"Fredville is where the king lives.", "document", name="book.txt")
    await stage.texts(1)
    stage.telegram.say(ANNA, "/later what is the capital?")
    assert (await stage.texts(3))[-1] == f"The capital is Fredville.\n\n{say('en', 'sources')}:\n1. book.txt"
    (kept,) = rows(stage, "SELECT sources, request FROM messages WHERE role = 'assistant'")
    assert '"book.txt"' in kept[0]
    stored = load_request(kept[1], lambda _: {})
    assert [said["text"] for said in stored["messages"]] == [said.text for said in slow.submitted[0].messages]


async def test_an_open_question_is_not_mixed_with_what_is_said_meanwhile(stage: Stage) -> None:
    await _begin(stage, Slow(Pending()))
    await stage.ask("/later a hard one")
    stage.studio.script("hello")
    await stage.ask("hi")
    assert [said["text"] for said in stage.prompts()[-1][1:]] == ["hi"]


async def test_it_is_booked_as_asynchronous_and_settled(stage: Stage) -> None:
    await stage.start(user_daily_tokens=100_000)
    await stage.stop()
    await _begin(stage, Slow(Answered("42", usage=Usage(100, 20))))
    stage.telegram.say(ANNA, "/later how much?")
    await stage.texts(2)
    assert rows(stage, "SELECT model, mode, prompt, completion FROM usage") == [("yandexgpt", "async", 100, 20)]
    assert rows(stage, "SELECT amount FROM spending WHERE scope = 'user'") == [(120,)]
    assert rows(stage, "SELECT * FROM reservations") == []
    assert rows(stage, "SELECT request FROM operations") == [("{}",)]


async def test_a_model_without_the_mode_says_so_and_names_one_that_has_it(stage: Stage) -> None:
    await _begin(stage, Slow(), "yandexgpt-lite")
    assert await stage.ask("/later why?") == say("en", "later.cannot", model=PRO, other=LITE)
    await stage.stop()
    stage.given["later"] = lambda _name: None
    await stage.start()
    assert await stage.ask("/later why?") == say("en", "later.none")
    assert await stage.ask("/later") == say("en", "later.usage")


async def test_an_order_survives_restarts_and_is_made_once(stage: Stage) -> None:
    slow = Slow(Pending(), Pending(), Pending(), Answered("at last"))
    await _begin(stage, slow)
    stage.telegram.say(ANNA, "/later why?")
    for polls in (1, 2, 3):
        await soon(stage, lambda polls=polls: len(slow.polled) >= polls or None)  # type: ignore[misc]
        await stage.crash()
        await stage.start()
    assert (await stage.texts(2))[1] == "at last"
    assert len(slow.submitted) == 1


async def test_a_crash_at_the_order_orders_at_most_once_more(stage: Stage) -> None:
    slow = Slow()
    slow.hangs = True
    stage.given["later"] = only(slow)
    stage.telegram.say(ANNA, "/later why?")
    for tries in (1, 2):
        await stage.start()
        await soon(stage, lambda tries=tries: len(slow.submitted) >= tries or None)  # type: ignore[misc]
        await stage.crash()
    await stage.start()
    assert (await stage.texts(2))[1] == say("en", "later.unknown")
    assert len(slow.submitted) == 2


async def test_an_order_whose_outcome_is_unknown_is_repeated_only_by_a_press(stage: Stage) -> None:
    slow = Slow()
    slow.refusals.append(OutcomeUnknown())
    await _begin(stage, slow)
    stage.telegram.say(ANNA, "/later why?")
    told = (await stage.texts(2))[1]
    assert told.startswith(say("en", "later.unknown"))
    await asyncio.sleep(600)
    assert len(slow.submitted) == 1
    for _ in range(2):
        await stage.press("Try again")
    assert (await stage.texts(3))[-1] == "an answer"
    assert slow.submitted[0] == slow.submitted[1]
    await asyncio.sleep(60)
    assert len(slow.submitted) == 2


async def test_a_heavy_question_is_ordered_by_a_button_below_its_price(stage: Stage) -> None:
    """By the button "later", once; "later.again" orders anew what did not work out."""
    slow = Slow(Failed("broken"), Answered("the long one"))
    stage.given["later"] = only(slow)
    await stage.start(confirm_above=Decimal("0.01"))
    assert "costs about" in await stage.ask("how does it work?")
    for _ in range(2):
        await stage.press(say("en", "later.button"))
    taken, failed = await stage.texts(2)
    assert (taken, failed) == (say("en", "later.taken", model=PRO), say("en", "later.failed"))
    await stage.press("Try again")
    assert (await stage.texts(3))[1:] == [say("en", "later.taken", model=PRO), "the long one"]
    assert [said.text for said in slow.submitted[1].messages[1:]] == ["how does it work?"]
    await asyncio.sleep(60)
    assert len(slow.submitted) == 2
    said = rows(stage, "SELECT role, turn FROM messages ORDER BY id")
    assert [role for role, _ in said] == ["user", "assistant"]
    assert stage.prompts() == []


async def test_a_model_that_gives_no_discount_promises_none(stage: Stage) -> None:
    """Only YandexGPT and Alice answer later at half the price; the open models cost the same."""
    models = [ModelConfig(name="gemma-3-27b-it", title="Gemma")]
    stage.given["later"] = only(Slow(Answered("done", usage=Usage(1000, 1000))), "gemma-3-27b-it")
    await stage.start(model="gemma-3-27b-it", models=models, confirm_above=Decimal("0.01"))
    assert "costs about" in await stage.ask("hm")
    assert say("en", "later.button") not in [
        button["text"] for button in buttons_of(stage.telegram.transcript(ANNA)[-1])
    ]
    assert await stage.ask("/later hm") == say("en", "later.taken.same", model="Gemma")
    assert (await stage.texts(3))[-1] == "done"
    assert rows(stage, "SELECT cost FROM usage") == [(800_000,)]


async def test_a_service_that_takes_no_orders_is_asked_again(stage: Stage) -> None:
    slow = Slow()
    slow.refusals.extend([ModelUnavailable(retry_after=5.0)] * 4)
    await _begin(stage, slow)
    stage.telegram.say(ANNA, "/later why?")
    assert (await stage.texts(2))[1] == "an answer"
    assert len(slow.submitted) == 5


async def test_what_ends_without_an_answer_is_said_with_a_code(stage: Stage) -> None:
    slow = Slow()
    slow.refusals.extend([ModelRefused("by the rules"), ModelDenied("no role")])
    await _begin(stage, slow)
    stage.telegram.say(ANNA, "/later why?")
    assert (await stage.texts(2))[1] == say("en", "later.refused")
    assert CODE.search(stage.telegram.texts(ANNA)[1])
    assert buttons_of(stage.telegram.transcript(ANNA)[-1]) == []
    stage.telegram.say(ANNA, "/later why?")
    assert (await stage.texts(4))[3] == say("en", "error.denied")
    assert CODE.search(stage.telegram.texts(ANNA)[3])


async def test_operations_that_fail_or_answer_nothing_are_said(stage: Stage) -> None:
    slow = Slow(Failed("broken"), Failed("rules", refused=True), Answered(" "), Answered("x", Finish.FILTERED))
    await _begin(stage, slow)
    for number, key in enumerate(["later.failed", "later.refused", "empty.answer", "later.refused"], 1):
        stage.telegram.say(ANNA, "/later why?")
        assert (await stage.texts(2 * number))[-1] == say("en", key)


async def test_polls_become_rarer_and_are_given_up_after_a_day(stage: Stage) -> None:
    slow = Slow(Pending())
    await _begin(stage, slow)
    stage.telegram.say(ANNA, "/later why?")
    await stage.texts(1)
    await asyncio.sleep(1500)
    await stage.stop()
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.now += PATIENCE
    await stage.start()
    assert (await stage.texts(2))[1] == say("en", "later.slow")
    waits = [second - first for first, second in pairwise(slow.polled)]
    assert waits[0] < 6
    assert 100 < waits[-2] < 130


@pytest.mark.usefixtures("older_models", "draws_by_operations")
async def test_jobs_lists_what_is_ordered_and_cancels_it(stage: Stage) -> None:
    slow = Slow(Pending())
    await _begin(stage, slow)
    stage.studio.paint("never")
    assert await stage.ask("/jobs") == say("en", "jobs.none")
    await stage.ask("/later a hard one")
    stage.telegram.say(ANNA, "/image a cat")
    await soon(stage, lambda: (slow.polled and stage.studio.seen("operation")) or None)
    assert await stage.ask("/jobs") == "Being prepared:\n· answer: a hard one\n· picture: a cat"
    await stage.press("✕ a hard one")
    await stage.until(lambda: stage.telegram.texts(ANNA)[-1] == "Being prepared:\n· picture: a cat" or None)
    await soon(stage, lambda: slow.cancelled or None)
    assert slow.cancelled == ["operation-1"]
    await stage.press("✕ a cat")
    await stage.until(lambda: stage.telegram.texts(ANNA)[-1] == say("en", "jobs.none") or None)
    polled = len(slow.polled)
    await asyncio.sleep(600)
    assert len(slow.polled) == polled
    assert len(stage.telegram.texts(ANNA)) == 3


async def test_an_order_can_be_cancelled_before_it_is_taken(stage: Stage) -> None:
    """By the button "jobs.cancel" of the sentence that said so."""
    slow = Slow()
    slow.refusals.append(ModelUnavailable(retry_after=100.0))
    await _begin(stage, slow)
    await stage.ask("/later a hard one")
    await soon(stage, lambda: slow.submitted or None)
    await stage.press("Cancel")
    assert (await stage.texts(2))[1] == say("en", "jobs.cancelled")
    await asyncio.sleep(600)
    assert len(stage.telegram.texts(ANNA)) == 2
    assert len(slow.submitted) == 1


async def test_what_is_taken_after_it_was_cancelled_is_given_back(stage: Stage) -> None:
    slow = Slow()
    slow.hangs = True
    await _begin(stage, slow)
    await stage.ask("/later a hard one")
    await soon(stage, lambda: slow.submitted or None)
    await stage.press("Cancel")
    await stage.texts(2)
    slow.released.set()
    await soon(stage, lambda: slow.cancelled or None)
    assert slow.polled == []


async def test_in_a_group_everybody_sees_only_the_own_orders(stage: Stage) -> None:
    await _begin(stage, Slow(Pending()))
    await stage.ask("/later@govorun_sandbox_bot a hard one", TEAM, ANNA)
    assert await stage.ask("/jobs@govorun_sandbox_bot", TEAM, 1002) == say("ru", "jobs.none")


async def test_jobs_shows_an_administrator_the_batch_runs_and_their_end_is_told_once(stage: Stage) -> None:
    app = await stage.start(owners=(ANNA,), access="open")
    store, bot = app.store, app.telegram.api.id
    new = BatchRun(bot=bot, mode="async", model="yandexgpt", source="/x/q.csv", options={}, at=store.clock.time())
    run = (await store.write(lambda tx: tx.add(new))).id
    await store.write(lambda tx: tx.change_all(BatchRun, {"state": "running", "requests": 3}, id=run))
    line = f"Runs of govorun batch:\n· {run}: q.csv, yandexgpt: being worked on, 0 of 3 answered"
    assert await stage.ask("/jobs") == line
    assert await stage.ask("/jobs", BORIS) == say("ru", "jobs.none")
    await store.write(lambda tx: tx.change_all(BatchRun, {"state": "stopped", "reason": "the key is refused"}, id=run))
    await asyncio.sleep(700)
    told = say(
        "en", "batch.stopped", id=run, name="q.csv", model="yandexgpt", answered=0, requests=3,
        reason="the key is refused",
    )  # fmt: skip
    assert stage.telegram.texts(ANNA).count(told) == 1
