"""The one judge of what a crash did, from the outside only: what stands in the chats, and what the model was asked.

Every question carries `ask7`, every sentence of an answer `mark7-2-1-3`: question 7, second time it was answered,
sentence 1 of 3. So each message and each prompt says by itself whose it is. Begin with `judge`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bot.sandbox.telegram.http import ApiCall
from bot.sandbox.telegram.server_facade import text_of
from bot.texts import en, ru

ASK = re.compile(r"\bask(\d+)\b")
MARK = re.compile(r"\bmark(\d+)-(\d+)-(\d+)-(\d+)\b")
APOLOGIES = tuple(
    words.split("{")[0] for texts in (en.TEXTS, ru.TEXTS) for key, words in texts.items() if key.startswith("error.")
)
GIVEN_UP = tuple(texts.TEXTS[key].split("{")[0] for texts in (en, ru) for key in ("error.bug", "error.crashed"))
NOTES = tuple(texts.TEXTS[key] for texts in (en, ru) for key in ("cut.note", "stop.note", "length.note"))
SHORT = 8_000  # characters: a prompt below that must hold the whole conversation
WINDOW = 40  # turns: ... except where it is longer than that


class Mark(NamedTuple):
    question: int
    trial: int
    sentence: int
    of: int


class Place(NamedTuple):
    """A chat, or a topic of one: what is said in it is a conversation of its own."""

    chat: int
    thread: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    number: int
    place: Place


@dataclass(slots=True)
class Verdict:
    """What went wrong, a sentence each.

    `ghosts` are answers in a prompt that no user saw, `gaps` what a prompt lacks, `halves` parts of an answer that
    stand alone and do not say so, `strays` messages that nobody needs: left-over placeholders. `others` is for what
    only a scenario knows. `apologies` are no fault: how many questions have one instead of an answer.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unordered: list[str] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    halves: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    apologies: int = 0

    def faults(self, strays_allowed: int = 0) -> list[str]:
        """Everything, each sentence after the name of its kind."""
        found = [f"{name}: {sentence}" for name in COLUMNS for sentence in getattr(self, name)]
        return found + [f"strays: {sentence}" for sentence in self.strays[strays_allowed:]]


COLUMNS = ("lost", "doubled", "unordered", "ghosts", "gaps", "leaks", "halves", "others")


@dataclass(frozen=True, slots=True)
class Answer:
    """What stands in a chat for a question: one trial in one or more messages, whole or marked as broken off."""

    question: Question
    trial: int
    messages: tuple[int, ...]


def judge(
    questions: Sequence[Question],
    chats: Mapping[Place, Sequence[Mapping[str, Any]]],
    prompts: Sequence[Sequence[Mapping[str, str]]],
    calls: Sequence[ApiCall],
) -> Verdict:
    """`chats` are the bot's messages by place, in order; `prompts` the messages of each request to the model."""
    verdict = Verdict()
    by_number = {question.number: question for question in questions}
    answers: dict[int, Answer] = {}
    for place, messages in chats.items():
        asked = [question for question in questions if question.place == place]
        answers |= _chat(verdict, place, asked, messages)
    given_up = {place for place, sent in chats.items() if any(text_of(dict(m)).startswith(GIVEN_UP) for m in sent)}
    for prompt in prompts:
        _prompt(verdict, prompt, by_number, answers, given_up)
    for call in calls:
        _call(verdict, call, by_number)
    return verdict


def marks(text: str) -> list[Mark]:
    return [Mark(*map(int, found)) for found in MARK.findall(text)]


def whole(found: Sequence[Mark]) -> set[tuple[int, int]]:
    """The (question, trial) of which all sentences are there."""
    sentences: dict[tuple[int, int, int], set[int]] = {}
    for mark in found:
        sentences.setdefault((mark.question, mark.trial, mark.of), set()).add(mark.sentence)
    return {(question, trial) for (question, trial, of), there in sentences.items() if len(there) == of}


def outcomes(texts: Sequence[str]) -> set[tuple[int, int]]:
    """The (question, trial) that need nothing more: whole, or with a note that says why they are not."""
    noted = {mark[:2] for text in texts if text.rstrip().endswith(NOTES) for mark in marks(text)}
    return whole([mark for text in texts for mark in marks(text)]) | noted


def is_apology(text: str) -> bool:
    return text.startswith(APOLOGIES)


# --- one chat ---------------------------------------------------------------------------------------------------------


def _chat(
    verdict: Verdict, place: Place, asked: Sequence[Question], messages: Sequence[Mapping[str, Any]]
) -> dict[int, Answer]:
    texts = {message["message_id"]: text_of(dict(message)) for message in messages}
    said = {id_: marks(text) for id_, text in texts.items()}
    unmarked = [texts[id_] for id_, found in said.items() if not found]
    apologies = sum(map(is_apology, unmarked))
    verdict.strays += [f"{place}: {text[:60]!r}" for text in unmarked if not is_apology(text)]
    done, answers = outcomes(list(texts.values())), {}
    for question in asked:
        own = {id_: found for id_, found in said.items() if found and found[0].question == question.number}
        trials = sorted(trial for number, trial in done if number == question.number)
        if answer := _answer(verdict, question, own, trials):
            answers[question.number] = answer
    open_ = [question for question in asked if question.number not in answers]
    verdict.apologies += apologies
    verdict.lost += [f"question {question.number} in {place}" for question in open_[apologies:]]
    if apologies > len(open_):
        verdict.doubled.append(f"{place}: {apologies} apologies for {len(open_)} questions without an answer")
    foreign = {mark.question for found in said.values() for mark in found} - {question.number for question in asked}
    verdict.leaks += [f"{place} shows an answer to question {number}, asked elsewhere" for number in sorted(foreign)]
    placed = [answers[question.number].messages for question in asked if question.number in answers]
    if [id_ for ids in placed for id_ in ids] != sorted(id_ for ids in placed for id_ in ids):
        verdict.unordered.append(f"{place}: answers stand as {placed}")
    return answers


def _answer(
    verdict: Verdict, question: Question, own: Mapping[int, Sequence[Mark]], trials: Sequence[int]
) -> Answer | None:
    """The answer that stands, the first of `trials`; what stands beside it is a double if it is one again, else a
    stray, and without an answer half of one.
    """
    for trial in trials[1:]:
        verdict.doubled.append(f"question {question.number} is answered by trials {trials[0]} and {trial}")
    needed: dict[int, frozenset[int]] = {}
    for id_, found in own.items():
        sentences = frozenset(mark.sentence for mark in found)
        others = [frozenset(m.sentence for m in more) for other, more in own.items() if other != id_]
        if not trials:
            verdict.halves.append(f"message {id_} holds a part of trial {found[0].trial} of {question.number}, no more")
        elif found[0].trial not in trials:
            verdict.strays.append(f"message {id_} holds a part of trial {found[0].trial} of {question.number}")
        elif sentences in needed.values():
            verdict.doubled.append(f"question {question.number}: sentences {sorted(sentences)} stand twice")
        elif any(sentences < other for other in others):
            verdict.strays.append(f"message {id_} holds a part of what stands elsewhere for {question.number}")
        elif found[0].trial == trials[0]:
            needed[id_] = sentences
            if [mark.sentence for mark in found] != sorted(sentences):
                verdict.unordered.append(f"question {question.number}: sentences in message {id_}")
    if not trials:
        return None
    if (order := [sentence for part in needed.values() for sentence in sorted(part)]) != sorted(order):
        verdict.unordered.append(f"question {question.number}: its parts")
    return Answer(question, trials[0], tuple(needed))


# --- what the model was asked -----------------------------------------------------------------------------------------


def _prompt(
    verdict: Verdict,
    prompt: Sequence[Mapping[str, str]],
    questions: Mapping[int, Question],
    answers: Mapping[int, Answer],
    given_up: Collection[Place],
) -> None:
    """A prompt is what the chat has shown up to its question: a suffix of it where the window was too small."""
    turns = [(message["role"], message["text"]) for message in prompt if message["role"] != "system"]
    asked = ASK.findall(turns[-1][1]) if turns and turns[-1][0] == "user" else []
    if not asked:
        verdict.gaps.append(f"a prompt ends with {turns[-1:]}")
        return
    now = questions[int(asked[-1])]
    for role, text in turns:
        for number in {int(found) for found in ASK.findall(text)} | {mark.question for mark in marks(text)}:
            if questions[number].place != now.place:
                verdict.leaks.append(f"the prompt of {now.number} has {role} words of {number}")
        if role == "assistant":
            _shown(verdict, text, now, answers)
    found = [_name(role, text) for role, text in turns]
    together = {int(number) for _, text in turns for number in ASK.findall(text)} if now.place in given_up else set()
    history = _history(now, questions, answers, together)
    short = len(found) < min(len(history), WINDOW) and sum(len(text) for _, text in turns) < SHORT
    if short or not _ends(history, found):
        verdict.gaps.append(f"the prompt of {now.number} is {found}, the chat was {history}")


def _ends(history: Sequence[str], found: Sequence[str]) -> bool:
    """Whether `found` is how `history` ends. It may begin inside a turn: a window is so many messages long, and a turn
    of a user can be several.
    """
    first, *rest = history[-len(found) :]
    inside = len(found) > WINDOW and first.startswith("user ") and first.endswith(found[0].replace("user ", "+"))
    return rest == found[1:] and (first == found[0] or inside)


def _history(
    now: Question, questions: Mapping[int, Question], answers: Mapping[int, Answer], together: Collection[int]
) -> list[str]:
    """What a prompt should hold. A question that got an apology is left out, since a button below it asks it again.

    One that was given up has no such button: it is one with the next question where it is in `together`.
    """
    history, users = [], []
    for question in questions.values():
        if question.place == now.place and question.number <= now.number:
            answer = answers.get(question.number)
            if answer or question == now or question.number in together:
                users.append(str(question.number))
            if answer and question != now:
                history += [f"user {'+'.join(users)}", f"assistant {question.number}-{answer.trial}"]
                users = []
    return [*history, f"user {'+'.join(users)}"]


def _shown(verdict: Verdict, text: str, now: Question, answers: Mapping[int, Answer]) -> None:
    for number, trial in {(mark.question, mark.trial) for mark in marks(text)}:
        if number not in answers or answers[number].trial != trial:
            verdict.ghosts.append(f"the prompt of {now.number} has trial {trial} of {number}, which stands nowhere")


def _name(role: str, text: str) -> str:
    if role == "user":
        return f"user {'+'.join(ASK.findall(text))}"
    return f"assistant {'+'.join(sorted({f'{mark.question}-{mark.trial}' for mark in marks(text)}))}"


def _call(verdict: Verdict, call: ApiCall, questions: Mapping[int, Question]) -> None:
    """Drafts and edits included: no chat ever sees what was asked in another one."""
    if call.chat_id is None:
        return
    for number in {mark.question for mark in marks(json.dumps(call.params))}:
        if number in questions and questions[number].place.chat != call.chat_id:
            verdict.leaks.append(f"{call.method} to chat {call.chat_id} has words of question {number}")
