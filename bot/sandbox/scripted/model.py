"""The scripted model of the sandbox: it answers by rules, at once, in the language of the question. Begin with
`answer`.

A pure function: one conversation always gets one answer. The model says what it is, shows what Markdown can do, and
repeats what it was given of the history. Answers to the bot's own requests (titles, summaries) are in
`helper_answers.py`, the words of all answers in `texts.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from bot.sandbox.scripted.helper_answers import (
    answer_about_files,
    answer_from_sources,
    brings_files,
    helper_answer,
    spoken,
)
from bot.sandbox.scripted.texts import phrase

Messages = Sequence[dict[str, str]]
Language = str
TIME_TO_STOP = 20.0  # seconds


def answer(messages: Messages) -> str:
    """The answer to a conversation of `{"role", "text"}` messages; never empty."""
    text = question(messages)
    # A question without letters is answered in the language of the earlier messages.
    language = language_of(
        spoken(text) if re.search(r"[^\W\d_]", spoken(text)) else "".join(said["text"] for said in messages)
    )
    if (found := helper_answer(messages, text, language, answer)) is not None:
        return found
    rule = next((rule for pattern, rule in RULES if pattern.search(spoken(text))), "")
    by_rule = rule(messages, language) if callable(rule) else rule and phrase(language, rule)
    if sourced := answer_from_sources(text, language, knows_better=bool(by_rule)):
        return sourced
    about_files = answer_about_files(text, language)
    # Documents stand before every later question, too: then the words that people try come first.
    first, second = (about_files, by_rule) if brings_files(text) else (by_rule, about_files)
    return first or second or _default(messages, language)


def question(messages: Messages) -> str:
    """The newest message of the user; "" if there is none."""
    own = (message["text"] for message in reversed(messages) if message["role"] == "user" and "tool" not in message)
    return next(own, "")


def language_of(text: str) -> Language:
    """ "ru" for a text with Cyrillic letters, else "en"."""
    return "ru" if re.search("[а-яё]", text, re.IGNORECASE) else "en"


def seconds_wanted(messages: Messages) -> float | None:
    """How long the answer should take: 0 at once, 20 s if the question wants it slow; None for the usual speed."""
    text = spoken(question(messages)).lower()
    if re.search(r"\binstant|мгновенн", text):
        return 0.0
    return TIME_TO_STOP if re.search(r"\bslow|медленн", text) else None


def is_refused(messages: Messages) -> bool:
    """Whether the content filter answers instead: if the question names the "forbidden topic"."""
    return bool(re.search(r"forbidden topic|запретн\w{1,9} тем", question(messages), re.IGNORECASE))


def _turns(messages: Messages) -> list[dict[str, str]]:
    return [message for message in messages if message["role"] != "system"]


def _quoted(text: str, limit: int = 300) -> str:
    short = text if len(text) <= limit else text[:limit].rstrip() + "…"
    return "\n".join(f"> {line}" for line in short.strip().splitlines() or [""])


def _default(messages: Messages, language: Language) -> str:
    before = len(_turns(messages)) - 1
    asked = spoken(question(messages))
    count = len(re.findall(r"\w+", asked))
    words = "1 word" if count == 1 else f"{count} words"
    quote = _quoted(asked)
    return phrase(language, "default", quote=quote, before=before, words=words, count=count)


def _memory(messages: Messages, language: Language) -> str:
    earlier = _turns(messages)[:-1]
    if not earlier:
        return phrase(language, "nothing")
    rows: list[str] = []
    for message in earlier:
        one_line = " ".join(message["text"].split())
        short = one_line if len(one_line) <= 120 else one_line[:120].rstrip() + "…"
        rows.append(f"{len(rows) + 1}. **{phrase(language, message['role'])}:** {short}")
    count = len(earlier)
    one, few, many = phrase(language, "messages").split()
    is_teen = count % 100 // 10 == 1
    noun = many if is_teen else one if count % 10 == 1 else few if count % 10 in (2, 3, 4) else many
    head, foot = phrase(language, "memory", count=count, messages=noun), phrase(language, "memory_foot")
    return f"{head}\n\n" + "\n".join(rows) + f"\n\n{foot}"


# The first rule that matches answers (a function, or the name of a text), so special rules come before general ones.
RULES: list[tuple[re.Pattern[str], str | Callable[[Messages, Language], str]]] = [
    (re.compile(pattern, re.IGNORECASE), answer)
    for pattern, answer in (
        (r"\bremember|what (did|have) (i|we|you) (say|said|ask)|помнишь|что я (сказал|говорил|спрашивал)", _memory),
        (r"\btables?\b|таблиц", "table"),
        (r"\btasks?\b|to-?do|задач", "tasks"),
        (r"\bcode\b|python|\bкод(?!екс|ир)|программ", "code"),
        (r"\bformula|equation|формул|уравнени", "formula"),
        (r"\blists?\b|спис(ок|к)", "list"),
        (r"\blong\b|\bessay\b|длинн", "essay"),
        (r"\bslow|медленн", "slow"),
        (r"\binstant|мгновенн", "instant"),
        (r"^\W*(/start|hi|hello|hey|help|привет|здравствуй|добрый|помощь|что ты умеешь|what can you do)", "greeting"),
    )
]
