"""A conversation, from the message a person writes to the answer that stands in the chat."""

from __future__ import annotations

from itertools import pairwise

from bot.sandbox.ai_studio.server import Answer
from tests.support.stage import ANNA, BORIS, TEAM, Stage


async def test_a_question_is_answered(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("Good day, **Anna**!")
    assert await stage.ask("hello") == "Good day, Anna!"
    assert stage.prompts()[0][-1] == {"role": "user", "text": "hello"}
    assert stage.telegram.remarks == []


async def test_the_model_remembers_the_conversation(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("Nice to meet you.", "Your name is Anna.")
    await stage.ask("I am Anna")
    await stage.ask("Who am I?")
    roles = [(message["role"], message["text"]) for message in stage.prompts()[1][1:]]
    assert roles == [("user", "I am Anna"), ("assistant", "Nice to meet you."), ("user", "Who am I?")]


async def test_a_new_conversation_forgets_the_old_one(stage: Stage) -> None:
    await stage.start()
    await stage.ask("I am Anna")
    assert "new conversation" in await stage.ask("/new")
    await stage.ask("Who am I?")
    assert [message["role"] for message in stage.prompts()[-1]] == ["system", "user"]


async def test_chats_never_mix(stage: Stage) -> None:
    await stage.start()
    await stage.ask("the word is apricot")
    await stage.ask("what is the word?", BORIS)
    assert "apricot" not in str(stage.prompts()[-1])


async def test_an_answer_streams_as_a_draft_with_a_stop_button(stage: Stage) -> None:
    stage.studio.speed = 10
    await stage.start()
    stage.studio.script([f"word{number} " for number in range(20)])
    stage.telegram.say(ANNA, "count")
    draft = await stage.until(lambda: next((d for d in stage.telegram.drafts if "word3" in d["text"]), None))
    assert draft["can_stop"]
    assert (await stage.texts(1))[0].startswith("word0 word1")
    assert stage.telegram.drafts == []


async def test_stop_ends_the_answer_and_keeps_what_was_written(stage: Stage) -> None:
    stage.studio.speed = 10
    await stage.start()
    stage.studio.script([f"word{number} " for number in range(500)])
    stage.telegram.say(ANNA, "count")
    draft = await stage.until(lambda: next((d for d in stage.telegram.drafts if "word5" in d["text"]), None))
    stage.telegram.stop(ANNA, draft["draft_id"])
    text = (await stage.texts(1))[0]
    assert "word5" in text
    assert "word400" not in text
    assert text.endswith("stopped")
    stage.studio.script("yes")
    await stage.ask("go on")
    assert "word5" in str(stage.prompts()[-1])  # what was seen is remembered


async def test_the_stop_command_does_not_wait_behind_the_answer(stage: Stage) -> None:
    stage.studio.speed = 1
    await stage.start()
    stage.studio.script([f"word{number} " for number in range(5000)])
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: stage.telegram.drafts or None)
    stage.telegram.say(ANNA, "/stop")
    assert (await stage.texts(1))[0].endswith("stopped")


async def test_stop_without_an_answer_says_so(stage: Stage) -> None:
    await stage.start()
    assert await stage.ask("/stop") == "I am not writing anything now."


async def test_order_is_kept_and_other_chats_do_not_wait(stage: Stage) -> None:
    stage.studio.speed = 10
    stage.studio.answer(lambda messages: "slow " * 60 if "slow" in messages[-1]["text"] else messages[-1]["text"])
    await stage.start()
    stage.telegram.say(ANNA, "slow question")
    stage.telegram.say(ANNA, "second")
    stage.telegram.say(ANNA, "third")
    assert await stage.ask("quick", BORIS) == "quick"
    assert stage.telegram.texts(ANNA) == []
    answers = await stage.texts(3)
    assert answers[1:] == ["second", "third"]
    sent = [message for message in stage.telegram.transcript(ANNA) if message["from"]["is_bot"]]
    assert [message.get("reply_to_message", {}).get("text") for message in sent] == [None, "second", "third"]


async def test_a_stream_that_breaks_off_is_begun_anew(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("the whole answer", "the whole answer")
    stage.studio.fail_next("completion", after_chunks=1, cut="reset")
    assert await stage.ask("hello") == "the whole answer"


async def test_an_answer_that_stays_cut_is_kept_and_marked(stage: Stage) -> None:
    await stage.start()
    stage.studio.answer(lambda messages: "one two three four five six seven eight nine ten")
    stage.studio.fail_next("completion", after_chunks=1, cut="clean", times=3)
    text = await stage.ask("count")
    assert text.startswith("one")
    assert "interrupted" in text
    stage.studio.answer(lambda messages: "all of it")
    await stage.press("Try again")
    await stage.until(lambda: stage.telegram.texts(ANNA) == ["all of it"] or None)


async def test_a_prompt_over_the_window_is_shortened_once(stage: Stage) -> None:
    await stage.start()
    for number in range(4):
        await stage.ask(f"{number} " + "long story " * 50)
    body = {
        "error": {
            "grpcCode": 3,
            "httpCode": 400,
            "message": "number of input tokens must be no more than 500, got 1000",
        }
    }
    stage.studio.fail_next("completion", status=400, body=body)
    before = len(stage.prompts())
    stage.studio.script("short enough")
    assert await stage.ask("and now?") == "short enough"
    assert len(stage.prompts()) == before + 2


async def test_the_content_filter_takes_the_answer_back(stage: Stage) -> None:
    """T38."""
    await stage.start()
    stage.studio.script(Answer(["Something bad", " is"], status="CONTENT_FILTER"))
    assert "can't talk about that" in await stage.ask("tell me")
    stage.studio.script("fine")
    await stage.ask("hello")
    assert "Something bad" not in str(stage.prompts()[-1])


async def test_what_the_filter_refused_is_not_asked_again_with_the_next_question(stage: Stage) -> None:
    await stage.start()
    await stage.ask("I am Anna")
    stage.studio.script(Answer(["no"], status="CONTENT_FILTER"))
    await stage.ask("something forbidden")
    stage.studio.script("fine")
    assert await stage.ask("hello") == "fine"
    assert "forbidden" not in str(stage.prompts()[-1])
    assert "I am Anna" in str(stage.prompts()[-1])


async def test_a_refused_question_can_be_put_in_other_words_by_an_edit(stage: Stage) -> None:
    await stage.start()
    stage.studio.script(Answer(["no"], status="CONTENT_FILTER"))
    message = stage.telegram.say(ANNA, "something forbidden")
    await stage.texts(1)
    stage.studio.script("fine")
    stage.telegram.edit(ANNA, message["message_id"], "something nice")
    await stage.until(lambda: stage.telegram.texts(ANNA) == ["fine"] or None)
    stage.studio.script("yes")
    await stage.ask("and now?")
    said = [message["text"] for message in stage.prompts()[-1][1:]]
    assert said == ["something nice", "fine", "and now?"]


async def test_an_answer_of_full_length_says_that_it_was_cut(stage: Stage) -> None:
    await stage.start()
    stage.studio.script(Answer(["a beginning"], status="TRUNCATED_FINAL"))
    assert "cut off" in await stage.ask("tell me everything")


async def test_an_empty_answer_never_enters_history(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("")
    assert "nothing to say" in await stage.ask("hm")
    stage.studio.script("yes")
    await stage.ask("hello")
    assert all(message["text"].strip() for message in stage.prompts()[-1])


async def test_a_model_that_is_down_is_said_with_a_way_to_try_again(stage: Stage) -> None:
    await stage.start()
    stage.studio.set_faults({"error500": 1.0})
    assert "does not answer" in await stage.ask("hello")
    stage.studio.set_faults({"error500": 0.0})
    stage.studio.script("here I am")
    await stage.press("Try again")
    await stage.until(lambda: stage.telegram.texts(ANNA) == ["here I am"] or None)


async def test_a_question_that_failed_is_asked_by_its_button_and_not_with_the_next_question(stage: Stage) -> None:
    await stage.start()
    await stage.ask("before")
    stage.studio.set_faults({"error500": 1.0})
    await stage.ask("first")
    stage.studio.set_faults({"error500": 0.0})
    stage.studio.script("to the second", "to the first", "to the third", "to the fourth")
    await stage.ask("second")
    assert said_in(stage.prompts()[-1])[2:] == ["second"]
    await stage.press("Try again")
    await stage.until(lambda: "to the first" in stage.telegram.texts(ANNA) or None)
    assert said_in(stage.prompts()[-1])[2:] == ["first"]
    await stage.ask("third")
    answered = ["first", "to the first", "second", "to the second"]
    assert said_in(stage.prompts()[-1])[2:] == [*answered, "third"]
    assert stage.telegram.texts(ANNA)[1:] == ["to the first", "to the second", "to the third"]


async def test_a_reply_to_a_question_that_failed_takes_it_up(stage: Stage) -> None:
    await stage.start()
    stage.studio.set_faults({"error500": 1.0})
    asked = stage.telegram.say(ANNA, "first")["message_id"]
    await stage.texts(1)
    stage.studio.set_faults({"error500": 0.0})
    stage.telegram.say(ANNA, "shortly, please", reply_to=asked)
    await stage.texts(2)
    assert "first" in said_in(stage.prompts()[-1])[0]


async def test_a_refused_key_is_for_the_operator_to_mend(stage: Stage) -> None:
    await stage.start()
    stage.studio.fail_next("completion", status=403, times=2)
    assert "operator" in await stage.ask("hello")


async def test_a_long_paste_is_one_question(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("read")
    assert await stage.ask("word " * 2000) == "read"
    assert len(stage.prompts()) == 1
    assert stage.prompts()[0][-1]["text"].count("word") == 2000


async def test_a_group_is_answered_only_when_the_bot_is_spoken_to(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("for the team")
    stage.telegram.say(TEAM, "nobody in particular", ANNA)
    stage.telegram.say(TEAM, "@govorun_sandbox_bot what now?", ANNA)
    assert await stage.texts(1, TEAM) == ["for the team"]
    assert len(stage.prompts()) == 1
    assert stage.prompts()[0][-1]["text"] == "what now?"
    sent = stage.telegram.transcript(TEAM)[-1]
    assert sent["reply_to_message"]["text"].startswith("@govorun")


async def test_a_group_sees_the_answer_grow_by_edits(stage: Stage) -> None:
    stage.studio.speed = 2
    await stage.start()
    stage.studio.script([f"word{number} " for number in range(40)])
    stage.telegram.say(TEAM, "@govorun_sandbox_bot count", ANNA)
    await stage.until(lambda: "word39" in "".join(stage.telegram.texts(TEAM)) or None)
    assert len(stage.telegram.texts(TEAM)) == 1
    assert not stage.telegram.calls_of("sendMessageDraft")
    edits = [call.at for call in stage.telegram.calls_of("editMessageText")]
    assert len(edits) >= 3
    assert all(later - earlier >= 4.9 for earlier, later in pairwise(edits[:-1]))


async def test_a_topic_is_a_conversation_of_its_own(stage: Stage) -> None:
    await stage.start()
    first, second = (stage.telegram.topic(ANNA, name=name)["id"] for name in ("one", "two"))
    await stage.ask("the word is apricot", thread=first)
    await stage.ask("what is the word?", thread=second)
    assert "apricot" not in str(stage.prompts()[-1])
    await stage.ask("what is the word?", thread=first)
    assert "apricot" in str(stage.prompts()[-1])


async def test_tokens_are_booked(stage: Stage) -> None:
    app = await stage.start()
    await stage.ask("hello")
    (usage,) = await app.store.read(lambda tx: tx.ledger.cost_by_model(app.telegram.api.id, 0, ANNA))
    assert usage.requests == 1
    assert usage.tokens > 0


async def test_an_edit_that_leaves_the_words_is_not_answered_again(stage: Stage) -> None:
    await stage.start()
    question = stage.telegram.say(ANNA, "how are you?")
    await stage.texts(1)
    stage.telegram.edit(ANNA, question["message_id"], "how are you?")
    assert await stage.ask("and now?") == stage.telegram.texts(ANNA)[1]
    assert len(stage.prompts()) == 2


async def test_the_button_of_an_old_draft_does_not_stop_the_next_answer(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    stage.studio.script([f"old{number} " for number in range(20)], [f"new{number} " for number in range(20)])
    stage.telegram.say(ANNA, "first")
    old = await stage.until(lambda: next(iter(stage.telegram.drafts), None))
    await stage.texts(1)
    stage.telegram.say(ANNA, "second")
    await stage.until(lambda: next((d for d in stage.telegram.drafts if "new3" in d["text"]), None))
    press = {"chat": {"id": ANNA, "type": "private"}, "draft_id": old["draft_id"]}
    stage.telegram.push_raw({"stopped_message_generation": press})
    assert "new19" in (await stage.texts(2))[1]


async def test_orderly_stops_are_no_crashes(stage: Stage) -> None:
    stage.studio.speed = 0.05
    stage.studio.answer(lambda messages: "slow " * 200)
    await stage.start(shutdown_grace=1.0)
    stage.telegram.say(ANNA, "a slow question")
    for _ in range(4):
        await stage.until(lambda: stage.telegram.drafts or None)
        await stage.stop()
        await stage.start()
    stage.studio.speed = 0
    await stage.stop()
    await stage.start()
    assert (await stage.texts(1))[0].startswith("slow slow")


def said_in(prompt: list[dict[str, str]]) -> list[str]:
    """The texts of a prompt after the system's."""
    return [message["text"] for message in prompt[1:]]
