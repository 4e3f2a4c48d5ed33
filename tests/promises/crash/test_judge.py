"""The judge of the crash driver sees what it is there for: each kind of harm, and no harm where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bot.sandbox.telegram.http import ApiCall
from bot.texts.catalog import say
from tests.promises.crash.judge import COLUMNS, Place, Question, Verdict, judge

ANNA, CLARA = Place(1001), Place(1003)
QUESTIONS = [Question(1, ANNA), Question(2, ANNA), Question(3, CLARA)]
SORRY = say("en", "error.unavailable")
GIVEN_UP = say("en", "error.crashed")
NOTE = say("en", "cut.note")


def answer(question: int, trial: int = 1, sentences: Sequence[int] = (1, 2)) -> str:
    return " ".join(f"mark{question}-{trial}-{number}-2 word." for number in sentences)


def judged(
    anna: Sequence[str] = (answer(1), answer(2)),
    clara: Sequence[str] = (answer(3),),
    prompts: Sequence[Sequence[tuple[str, str]]] = (),
    calls: Sequence[tuple[int, str]] = (),
) -> Verdict:
    def messages(texts: Sequence[str]) -> list[dict[str, Any]]:
        return [{"message_id": number, "text": text} for number, text in enumerate(texts, 10)]

    asked = [[{"role": role, "text": text} for role, text in prompt] for prompt in prompts]
    called = [ApiCall("sendMessage", {"text": text}, 200, 0.0, 0.0, chat) for chat, text in calls]
    return judge(QUESTIONS, {ANNA: messages(anna), CLARA: messages(clara)}, asked, called)


def kinds(verdict: Verdict) -> set[str]:
    return {name for name in (*COLUMNS, "strays") if getattr(verdict, name)}


def test_answers_apologies_and_marked_halves_are_no_harm() -> None:
    assert kinds(judged()) == set()
    apologised = judged(anna=[answer(1), SORRY])
    assert (kinds(apologised), apologised.apologies) == (set(), 1)
    assert kinds(judged(anna=[answer(1), f"{answer(2, sentences=[1])}\n\n{NOTE}"])) == set()
    assert kinds(judged(anna=[answer(1), answer(2, sentences=[1]), answer(2, sentences=[2])])) == set()


@pytest.mark.parametrize(
    ("anna", "harm"),
    [
        ([answer(1)], {"lost"}),
        ([answer(1), answer(1), answer(2)], {"doubled"}),
        ([answer(1, 1), answer(1, 2), answer(2)], {"doubled"}),
        ([answer(1), answer(2), SORRY], {"doubled"}),
        ([answer(1), SORRY, SORRY], {"doubled"}),
        ([answer(2), answer(1)], {"unordered"}),
        ([answer(1), answer(2, sentences=[2]), answer(2, sentences=[1])], {"unordered"}),
        ([answer(1), answer(2, sentences=[2, 1])], {"unordered"}),
        ([answer(1), answer(2, sentences=[1])], {"lost", "halves"}),
        ([answer(1), answer(2, sentences=[1]), SORRY], {"halves"}),
        ([answer(1, 1, [1]), answer(1, 2), answer(2)], {"strays"}),
        ([answer(1), answer(2), "Hello?"], {"strays"}),
        ([answer(1), answer(2), answer(3)], {"leaks"}),
    ],
)
def test_a_chat_that_is_not_as_it_should_be_is_seen(anna: list[str], harm: set[str]) -> None:
    assert kinds(judged(anna=anna)) == harm


@pytest.mark.parametrize(
    ("prompt", "harm"),
    [
        ([("user", "ask1 x")], set()),
        ([("user", "ask1 x"), ("assistant", answer(1)), ("user", "ask2 x")], set()),
        ([("user", "ask1 x"), ("assistant", answer(1, 2)), ("user", "ask2 x")], {"ghosts", "gaps"}),
        ([("user", "ask2 x")], {"gaps"}),
        ([("user", "ask1 x"), ("assistant", answer(1))], {"gaps"}),
        ([("user", "ask3 y"), ("assistant", answer(3)), ("user", "ask1 x")], {"leaks", "gaps"}),
    ],
)
def test_a_prompt_that_is_not_what_the_chat_has_shown_is_seen(prompt: list[tuple[str, str]], harm: set[str]) -> None:
    assert kinds(judged(prompts=[prompt])) == harm


def test_a_question_without_an_answer_is_left_out_and_one_that_was_given_up_is_one_with_the_next() -> None:
    together, alone = [("user", "ask1 x\nask2 x")], [("user", "ask2 x")]
    assert kinds(judged(anna=[SORRY, answer(2)], prompts=[alone])) == set()
    assert kinds(judged(anna=[SORRY, answer(2)], prompts=[together])) == {"gaps"}
    assert kinds(judged(anna=[GIVEN_UP, answer(2)], prompts=[together])) == set()
    assert kinds(judged(prompts=[together])) == {"gaps"}


def test_words_of_another_chat_are_seen_in_every_call() -> None:
    assert kinds(judged(calls=[(1001, answer(1)), (1003, answer(3))])) == set()
    assert kinds(judged(calls=[(1003, answer(1))])) == {"leaks"}


@pytest.mark.parametrize(("words", "harm"), [("ask2 x", set()), ("ask1 x\nask2 x", set()), ("ask9 x", {"gaps"})])
def test_a_long_prompt_may_begin_inside_a_turn_of_several_messages(words: str, harm: set[str]) -> None:
    """The first question was given up, so it is one turn with the second: a window may begin between the two."""
    asked = [Question(number, ANNA) for number in range(1, 30)]
    told = [GIVEN_UP, *(answer(question.number) for question in asked[1:-1])]
    prompt = [{"role": "user", "text": words}, {"role": "assistant", "text": answer(2)}]
    for question in asked[2:]:
        prompt += [{"role": "user", "text": f"ask{question.number} x"}]
        prompt += [{"role": "assistant", "text": answer(question.number)}]
    chats = {ANNA: [{"message_id": id_, "text": text} for id_, text in enumerate([*told, answer(29)], 10)]}
    assert kinds(judge(asked, chats, [prompt[:-1]], [])) == harm
