"""What must be true of every course of events, judged by what people and the model saw. Begin with `Judge.always`.

P1 every question has an answer or an apology · P2 no answer twice · P3 answers in the order of the questions ·
P4 no word of one conversation in another · P5 the model is told what the chat has shown, all of it and no more ·
P6 an answer that is not whole says so · P16 a day costs at most one request more than it may.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bot.ai import Finish
from bot.dispatch.error_boundary import MOST_ATTEMPTS
from bot.texts.catalog import LANGUAGES
from tests.promises.properties.brain import TOKEN, WORD, Asked
from tests.promises.properties.world import Place, World

BROKEN = ("error.bug", "error.crashed")
APOLOGIES = (
    "error.unavailable", "error.denied", "error.refused", "error.long", "filtered", "empty.answer", "stop.empty",
    "limit.soon", "limit.tokens.bot", *BROKEN,
)  # fmt: skip
NOTES = ("stop.note", "cut.note", "length.note", "outdated.note")


def sentences(*keys: str) -> tuple[str, ...]:
    """The beginnings, up to what is filled in, of some of the bot's own sentences, in all languages."""
    return tuple(texts[key].partition("{")[0] for texts in LANGUAGES.values() for key in keys)


@dataclass(slots=True)
class Question:
    """`void`: it was edited since, or it is the edit of something from which the conversation has gone on: nobody has
    to answer it. `reorders`: it is an edit, and may have taken the place of what it changes.
    """

    token: str
    place: Place
    reorders: bool = False
    void: bool = False


@dataclass(slots=True)
class Answer:
    """The messages of one answer in a chat: the numbers of its words in order, and the end of its last message."""

    token: str
    words: list[int] = field(default_factory=list)
    end: str = ""
    at: int = 0

    @property
    def marked(self) -> bool:
        return any(note in self.end.rpartition("\n\n")[2] for note in sentences(*NOTES))


@dataclass
class Judge:
    """`presses` counts the presses of "Try again" in a place, `news` the /new that were said there."""

    world: World
    questions: dict[str, Question] = field(default_factory=dict)
    presses: dict[Place, int] = field(default_factory=dict)
    news: dict[Place, int] = field(default_factory=dict)
    kills: int = 0
    judged: int = 0  # requests that were looked at

    def always(self) -> None:
        """What holds between any two steps."""
        for place in self.places():
            self._words(place)
            self._answers(place, finally_=False)
        for asked in self.world.brain.asked[self.judged :]:
            self._prompt(asked)
        self.judged = len(self.world.brain.asked)
        self._spent()

    def finally_(self) -> None:
        """What holds when nothing is left to do."""
        self.always()
        for place in self.places():
            self._answers(place, finally_=True)
            self._outcomes(place)
            self._strays(place)
        for asked in self.world.brain.asked:
            place = self.world.places[asked.token]
            if not self.presses.get(place, 0):  # else another version may have taken its place
                self._no_ghost(asked, self.world.shown(place), "ever")

    def places(self) -> list[Place]:
        return list(dict.fromkeys(question.place for question in self.questions.values()))

    def _spent(self) -> None:
        """P16, in the tokens that the model served. The days of a course are one: it begins in the morning."""
        cap = self.world.settings.daily_tokens
        served = [asked.usage.total for asked in self.world.brain.asked if asked.usage]
        assert not cap or sum(served) <= cap + max(served, default=0), f"P16: {sum(served)} of {cap} tokens"

    # --- what a chat shows --------------------------------------------------------------------------------------------

    def _words(self, place: Place) -> None:
        """P4, and the bot never says that it has a defect."""
        for text in [*self.world.shown(place), *(draft["text"] for draft in self._drafts(place))]:
            broken = BROKEN[:1] if self.kills >= MOST_ATTEMPTS else BROKEN  # then it may be given up
            assert not text.startswith(sentences(*broken)), f"{place}: {text}"
            for token in TOKEN.findall(text):
                assert self.world.places[token] == place, f"{token} leaked into {place}: {text[:80]}"
            for number, _ in WORD.findall(text):
                there = self.world.places[self.world.brain.asked[int(number)].token]
                assert there == place, f"answer {number} leaked into {place}"

    def _drafts(self, place: Place) -> list[dict[str, str]]:
        drafts = self.world.telegram.drafts
        return [draft for draft in drafts if (draft["chat_id"], draft.get("thread_id", 0)) == place]

    def _answers(self, place: Place, *, finally_: bool) -> None:
        found = answers(self.world.shown(place))
        for number, answer in found.items():
            asked = self.world.brain.asked[number]
            first = answer.words[0] if answer.words and not finally_ and self._is_rewritten(place) else 0
            whole_part = list(range(first, first + len(answer.words)))
            assert answer.words == whole_part, f"P2, P11: answer {number}: {answer.words}"
            assert len(answer.words) <= asked.given
            if finally_ or (len(answer.words) < LONG and not first):
                whole = asked.finish is Finish.STOP and len(answer.words) == asked.given
                assert whole or answer.marked, f"P6: answer {number} is not whole and not marked: {answer.end!r}"
        self._once(place, found)
        self._order(place, found)

    def _is_rewritten(self, place: Place) -> bool:
        """Whether a version may just be taking the place of another: its messages change one after the other."""
        edits = any(question.reorders for question in self.questions.values() if question.place == place)
        return edits or bool(self.presses.get(place, 0))

    def _once(self, place: Place, found: dict[int, Answer]) -> None:
        for token in {answer.token for answer in found.values()}:
            count = sum(answer.token == token for answer in found.values())
            assert count <= 1 + self.presses.get(place, 0), f"P2: {token} has {count} answers"

    def _order(self, place: Place, found: dict[int, Answer]) -> None:
        first: dict[str, int] = {}
        for answer in found.values():
            first.setdefault(answer.token, answer.at)
        asked = [question.token for question in self.questions.values() if question.place == place]
        order = [first[token] for token in asked if token in first and not self.questions[token].reorders]
        assert order == sorted(order), f"P3: answers of {place} out of order: {first}"

    def _outcomes(self, place: Place) -> None:
        """P1: nothing is silently lost, and a command is carried out once."""
        shown = self.world.shown(place)
        answered = {answer.token for answer in answers(shown).values()}
        open_ = [
            q.token for q in self.questions.values() if q.place == place and not q.void and q.token not in answered
        ]
        # Where a new version did not come about, the apology stands below the one before.
        apologies = [text for text in shown if any(sorry in text for sorry in sentences(*APOLOGIES))]
        assert len(open_) <= len(apologies), f"P1: {place}: {open_} have no answer, there are {apologies}"
        most = sum(q.place == place for q in self.questions.values()) + self.presses.get(place, 0)
        assert len(apologies) + len(answers(shown)) <= most, f"P2: {place}: more outcomes than questions"
        renewed = [text for text in shown if text.startswith(sentences("new"))]
        assert len(renewed) == self.news.get(place, 0), f"{place}: /new was carried out {len(renewed)} times"

    def _strays(self, place: Place) -> None:
        """What was begun in a message and forgotten: only a kill in the moment of sending leaves that."""
        left = len(self.world.growing(place))
        assert left <= self.kills, f"{place}: {left} messages still seem to grow"

    # --- what the model was told --------------------------------------------------------------------------------------

    def _prompt(self, asked: Asked) -> None:
        """P4 and P5 of one request, against what the chat showed in that moment."""
        place = self.world.places[asked.token]
        tokens = [
            token for message in asked.messages if message.role == "user" for token in TOKEN.findall(message.text)
        ]
        for token in tokens:
            assert self.world.places[token] == place, f"P4: {token} in a prompt of {place}"
        assert tokens == list(dict.fromkeys(tokens)), f"P5: a question twice in a prompt: {tokens}"
        asked_here = [token for token in self.questions if token in tokens]
        if not any(self.questions[token].reorders for token in tokens):
            assert tokens == asked_here, f"P5: questions out of order: {tokens}"
        if self.world.lives == 1:  # after a restart the next question may be asked while answers are still delivered
            self._no_ghost(asked, asked.shown, "at that moment")
        told_of_new = self.world.lives == 1 or not self.news.get(place, 0)  # else /new may not have been confirmed yet
        if told_of_new and not self.presses.get(place, 0):  # another answer may stand outside the branch that goes on
            self._no_gap(asked)

    def _no_ghost(self, asked: Asked, shown: list[str], when: str) -> None:
        there = answers(shown)
        for number, words in told(asked).items():
            assert number in there, f"P5: answer {number} is in a prompt and was not shown {when}"
            assert there[number].words == words, f"P5: answer {number} was shown otherwise {when}"

    def _no_gap(self, asked: Asked) -> None:
        """Every answer that the chat shows since /new is remembered, unless it broke off and was tried again."""
        renewed = [at for at, text in enumerate(asked.shown) if text.startswith(sentences("new"))]
        since = renewed[-1] if renewed else -1
        known = told(asked)
        there = {
            number: answer for number, answer in answers(asked.shown).items()
            if answer.at > since and not self._put_aside(number, answer, asked)
        }  # fmt: skip
        assert set(there) <= set(known), f"P5: request {asked.number} forgets {set(there) - set(known)}"
        order = [number for number in known if number in there]
        assert order == list(there), f"P5: request {asked.number} remembers {order}, the chat shows {list(there)}"

    def _put_aside(self, number: int, answer: Answer, asked: Asked) -> bool:
        """Broken off and tried again, outdated by an edit, or of an earlier conversation that only ended after /new."""
        if self.questions[answer.token].void:
            return True
        retried = answer.end.endswith(sentences("cut.note")) and self.presses.get(self.world.places[asked.token], 0)
        before = self.world.brain.asked[number].shown
        renewed = sum(text.startswith(sentences("new")) for text in asked.shown)
        return bool(retried) or sum(text.startswith(sentences("new")) for text in before) < renewed


LONG = 300  # words: an answer with more may come in several messages, and the last one bears the mark


def answers(shown: list[str]) -> dict[int, Answer]:
    """The model's answers in a chat by their numbers, in the order of their first messages."""
    found: dict[int, Answer] = {}
    for at, text in enumerate(shown):
        for number, word in WORD.findall(text):
            answer = found.setdefault(int(number), Answer(token_of(text), at=at))
            answer.words.append(int(word))
            answer.end = text
    return found


def token_of(text: str) -> str:
    begun = re.match(r"re (q\d+)\b", text)
    return begun[1] if begun else ""


def told(asked: Asked) -> dict[int, list[int]]:
    """The answers in a prompt: their words by their numbers."""
    found: dict[int, list[int]] = {}
    for message in asked.messages:
        if message.role == "assistant":
            for number, word in WORD.findall(message.text):
                found.setdefault(int(number), []).append(int(word))
    return found
