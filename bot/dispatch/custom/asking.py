"""One run of a programmer's function that asks (`Reply.ask`): what was answered before is returned, the first question
without an answer ends the run. Begin with `Run.reply`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from bot import ports
from bot.extension import Reply
from bot.extension.forms import Prompt, prompts
from bot.texts.catalog import say

PHONE = re.compile(r"\+?[\d\s().-]{5,24}")
DIGITS = re.compile(r"[^\d+]")
PLACE = re.compile(r"(-?\d{1,2}(?:\.\d+)?)(?:\s*[,;]\s*|\s+)(-?\d{1,3}(?:\.\d+)?)")
REASONS = {
    "date": "form.wrong.date", "datetime": "form.wrong.date", "int": "form.wrong.number",
    "float": "form.wrong.number", "decimal": "form.wrong.number",
}  # fmt: skip
LIMITS = {  # what pydantic calls a value beyond a limit, and the name of that limit
    "string_too_short": "min_length", "string_too_long": "max_length", "string_pattern_mismatch": "pattern",
    "greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le",
}  # fmt: skip
Answers = tuple[tuple[str, Any], ...]  # the key of each question, and what was answered as JSON has it; None: skipped


class Asked(BaseException):
    """A question without an answer: it ends the run. No `except Exception` of a programmer takes it.

    `answers` are those of the questions before; `problem` says why the newest answer is asked for again.
    """

    def __init__(self, prompt: Prompt, answers: Answers, problem: str = "") -> None:
        super().__init__(prompt.key)
        self.prompt, self.answers, self.problem = prompt, answers, problem


@dataclass(slots=True)
class Run:
    """The answers of one run by the person `user`, in the order of its questions, and how many it has used."""

    answers: Answers
    language: str
    user: int
    used: int = field(default=0, init=False)

    def reply(self, reply: ports.Reply) -> CustomReply:
        """A reply that asks in this run."""
        return CustomReply(reply, self)

    async def ask(self, question: Any, kind: Any) -> Any:
        """The answer to a question, or to all questions of a form. Raises `Asked`."""
        if isinstance(question, type) and issubclass(question, BaseModel):
            return self._form(question)
        words = question if isinstance(question, str) else next(iter(question.values()), "")
        prompt = Prompt.of(words[:80], question, kind, {})
        value = self._next(prompt)
        try:
            return TypeAdapter(kind).validate_python(value)
        except ValidationError as error:
            raise self._again(prompt, error) from None

    def _form(self, form: type[BaseModel]) -> BaseModel:
        values, prompt = dict[str, Any](), None
        for name, prompt in prompts(form).items():
            value = self._next(prompt)
            if value is not None:
                values[name] = value
                self._check(form, values, name, prompt)
        try:
            return form.model_validate(values)
        except ValidationError as error:
            if prompt is None:
                raise
            raise self._again(prompt, error) from None

    def _check(self, form: type[BaseModel], values: dict[str, Any], name: str, prompt: Prompt) -> None:
        """Raise `Asked` if the newest value is wrong; of the others some are still missing."""
        try:
            form.model_validate(values)
        except ValidationError as error:
            if any(one["loc"][:1] == (name,) for one in error.errors(include_url=False)):
                raise self._again(prompt, error, name) from None

    def _next(self, prompt: Prompt) -> Any:
        """The value that answers a question, None if it was skipped. Raises `Asked`."""
        if self.used == len(self.answers) or self.answers[self.used][0] != prompt.key:
            raise Asked(prompt, self.answers[: self.used])
        self.used += 1
        answer = self.answers[self.used - 1][1]
        if answer is None and prompt.is_optional:
            return None
        value, wrong = value_of(prompt, answer), f"form.wrong.{prompt.takes}"
        if prompt.is_own and (not isinstance(answer, dict) or answer.get("user") != self.user):
            value, wrong = None, "form.wrong.own"
        if value is None:
            raise Asked(prompt, self.answers[: self.used - 1], say(self.language, wrong))
        return value

    def _again(self, prompt: Prompt, error: ValidationError, name: str = "") -> Asked:
        problems = error.errors(include_url=False, include_input=False)
        first = next((one for one in problems if not name or one["loc"][:1] == (name,)), problems[0])
        return Asked(prompt, self.answers[: self.used - 1], self._reason(first))

    def _reason(self, problem: ErrorDetails) -> str:
        """Why a value does not fit: the programmer's words, the limit that it is beyond, or what is expected."""
        kind = problem["type"]
        if kind == "value_error" and (own := problem["msg"].partition(", ")[2]):
            return own
        if (name := LIMITS.get(kind)) is not None:
            limit = problem["ctx"][name]
            whole = isinstance(limit, float) and limit.is_integer()  # 10 of a field for floats is 10.0 here
            return say(self.language, f"form.limit.{name}", limit=int(limit) if whole else limit)
        return say(self.language, next((REASONS[word] for word in REASONS if kind.startswith(word)), "form.wrong"))


class CustomReply:
    """A `Reply` for programmers: the messenger's, with `ask`. Without a `run` there is nobody to ask.

    `written` is the text that the function has streamed: the answer, if the function returns none.
    """

    def __init__(self, inner: ports.Reply, run: Run | None = None) -> None:
        self.inner = inner
        self.written = ""
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @property
    def as_reply(self) -> Reply:
        """This reply with the type that a programmer's function takes."""
        return cast(Reply, self)

    def begin(self, mode: str = "", over: int = 0, quote: int = 0) -> None:
        """Open the live view of an answer, which has no text yet."""
        self.written = ""
        self.inner.begin(mode, over, quote)

    def append(self, text: str) -> None:
        """Add text to the answer, and show it."""
        self.written += text
        self.inner.append(text)

    def replace(self, text: str) -> None:
        """Let the answer be `text`, and show it."""
        self.written = text
        self.inner.replace(text)

    async def ask(self, question: Any, kind: Any = str, /) -> Any:
        """See `extension.Reply.ask`. Raises `RuntimeError` where nothing can be asked."""
        if self._run is None:
            raise RuntimeError("reply.ask works in commands, presses and forms; middleware can ask nothing")
        return await self._run.ask(question, kind)


def value_of(prompt: Prompt, answer: Any) -> Any:
    """The value of a stored answer, None for one that does not fit the question."""
    if prompt.takes == "choice":
        return _chosen(prompt, str(answer))
    if prompt.takes == "contact" and isinstance(answer, str):
        return {"phone": DIGITS.sub("", answer)} if PHONE.fullmatch(answer.strip()) else None
    if prompt.takes == "location" and isinstance(answer, str):
        found = PLACE.fullmatch(answer.strip())
        return {"latitude": float(found[1]), "longitude": float(found[2])} if found else None
    if prompt.takes == "photo" and isinstance(answer, str):
        return None
    return answer


def _chosen(prompt: Prompt, answer: str) -> Any:
    """The value of a choice that was pressed, or written: its value or one of its labels."""
    said = answer.strip().casefold()
    for key, (value, label) in prompt.choices.items():
        labels: Sequence[str] = [label] if isinstance(label, str) else list(label.values())
        if said in (key.casefold(), *(one.casefold() for one in labels)):
            return value
    return None
