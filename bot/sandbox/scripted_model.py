"""The scripted model of the sandbox, which needs no weights: it answers by rules, at once, in the language of the
question. Begin with `answer`.

A pure function: one conversation always gets one answer. The model says what it is, shows what Markdown can do, and
repeats what it was given of the history. It recognises requests of the bot itself (titles, summaries) by how they
begin. Its words are in `scripted/en.toml` and `ru.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from bot.prompts.catalog import instruct
from bot.texts.catalog import LANGUAGES


def phrase(language: str, name: str, **values: object) -> str:
    """The text with this name in a language ("en" or "ru"), with `values` in place of the words in braces."""
    text = _texts(language)[name]
    return text.format(**values) if values else text


@cache
def _texts(language: str) -> dict[str, str]:
    """The texts of a language. The essay has each paragraph on one line, though it has short lines in the file."""
    texts = tomllib.loads((Path(__file__).with_name("scripted") / f"{language}.toml").read_text(encoding="utf-8"))
    paragraphs = texts["essay"].strip().split("\n\n")
    return {**texts, "essay": "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)}


Messages = Sequence[dict[str, str]]
TITLE_WORDS, NOTE_WORDS = 5, 8
SEVERAL = 3  # words that a sentence shares with a question which another rule answers, too


def helper_answer(messages: Messages, text: str, language: str, again: Callable[[Messages], str]) -> str | None:
    """The answer to `text`, the newest question, if it is a request of the bot itself; None if a person just talks.

    `again` answers an earlier conversation: it is needed to continue an answer that was cut off.
    """
    orders = next((message["text"] for message in messages if message["role"] == "system"), "")
    for pattern, make in ORDERS:
        if pattern.match(orders):
            return make(text, language)
    return _rest(messages, language, again) if RESUME.match(text) else None


def answer_about_files(text: str, language: str) -> str:
    """The answer to a question with documents or with something that this model can't open; "" for any other."""
    _, documents, asked = _parted(text)
    if documents:
        return _cited(documents, asked, language)
    if found := UNSEEN.search(text):
        return phrase(language, "blind" if found[1] in ("a picture", "картинку") else "closed")
    return ""


def answer_from_sources(text: str, language: str, *, knows_better: bool) -> str:
    """Return the sentence of the sources that shares most words with the question, with its mark; "" if no sources are
    shown. Where the model may also say something of its own, "" too for a question that hardly has a word of theirs,
    and if the model `knows_better`, for one that has few.

    The passages are numbered as `knowledge.answer.shown.sources_block` numbers them.
    """
    _, sources, rest = text.partition("<sources>\n")
    if not sources:
        return ""
    body, _, after = rest.rpartition("\n</sources>")
    wanted = _stems(after.strip().partition("\n")[2])
    nothing = instruct(language, "knowledge.nothing")
    best, most = nothing, 0
    for line in body.splitlines():
        mark, _, sentence = line.partition(" ")
        shared = _shared(wanted, _stems(sentence))
        if NUMBERED.fullmatch(mark) and shared > most:
            best, most = f"{sentence} [{mark}]", shared
    if all(instruct(language, "knowledge.own.tail") not in text for language in LANGUAGES):
        return best
    if 2 * most >= len(wanted) and (most >= SEVERAL or not knows_better):
        return best
    return nothing if most > 1 and not knows_better else ""


def brings_files(text: str) -> bool:
    """Whether a file came with this very question, and not with an earlier one."""
    return bool(MARK.search(text) or UNSEEN.search(text))


def _title(text: str, _language: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return " ".join(first.strip(" .,:;!?…").split()[:TITLE_WORDS]).strip(" .,:;!?…")


def _summary(text: str, _language: str) -> str:
    lines = [" ".join(line.split()[:NOTE_WORDS]) for line in text.splitlines() if line.strip()]
    return "\n".join(f"- {line}" for line in lines[:20])


def _rewritten(text: str, _language: str) -> str:
    """The last question word for word: this model does not understand what it leans on. The conversation may be in
    another language than the request.
    """
    for language in LANGUAGES:
        before, _, _ = instruct(language, "knowledge.rewrite.question", said="\0", question="\1").partition("\1")
        _, found, question = text.rpartition(before.partition("\0")[2])
        if found:
            return question.strip()
    return text.strip()


def _improved(text: str, language: str) -> str:
    return f"{text.strip().rstrip('.')}{phrase(language, 'scene')}"


def _rest(messages: Messages, language: str, again: Callable[[Messages], str]) -> str:
    """The rest of the last answer, if that was the beginning of a scripted one."""
    asked = max((at for at, said in enumerate(messages[:-1]) if said["role"] == "user"), default=-1)
    said = messages[-2]["text"] if len(messages) > 1 else ""
    whole = again(messages[: asked + 1]) if asked >= 0 else ""
    return whole[len(said) :] if whole.startswith(said) and len(whole) > len(said) else phrase(language, "end")


def spoken(text: str) -> str:
    """The user's words, without the documents and sources that the bot put before them."""
    before, _, asked = _parted(_without_sources(text))
    return MARK.sub("", before + asked).strip()


def _without_sources(text: str) -> str:
    """A question without the sources, and what the bot says of them, which stand before it."""
    _, found, rest = text.partition("<sources>\n")
    _, ended, after = rest.rpartition("\n</sources>")
    return after.strip().partition("\n")[2] if found and ended else text


def _parted(text: str) -> tuple[str, str, str]:
    """Split a question into what stands before the documents, the documents ("" for none) and the words after them."""
    if found := DOCUMENTS.search(text):
        return text[: found.start()], found[0], text[found.end() :]
    return "", "", text


def _cited(body: str, question: str, language: str) -> str:
    """The line of the documents that shares most words with the question, and where it stands."""
    wanted = _stems(spoken(question))
    best, most, place, here = "", 0, "", ""
    for line in body.splitlines()[1:-1]:
        if found := PLACE.fullmatch(line.strip()):
            here = found[1]
        elif (shared := len(wanted & _stems(line))) > most:
            best, most, place = line.strip(), shared, here
    if not best:
        return phrase(language, "nowhere")
    return phrase(language, "quote", line=best[:300], place=place)


def _shared(wanted: set[str], there: set[str]) -> int:
    """How many words of a question a sentence has, as "cost" and "costs" are one."""
    return sum(any(one.startswith(word) or (len(one) > 3 and word.startswith(one)) for one in there) for word in wanted)


def _stems(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r"\w{3,}", text.lower())}


NUMBERED = re.compile(r"[a-z]\d{1,3}")
DOCUMENTS = re.compile(
    r"Documents of this conversation stand below\..*\nHere the documents end\.[^\n]*"
    r"|Ниже приведены документы этой беседы\..*\nДокументы закончились\.[^\n]*",
    re.DOTALL,
)
PLACE = re.compile(r"\[([^\[\]]+)\]")
MARK = re.compile(r"^\[(?:document|документ): [^\n]*\]$", re.M)
UNSEEN = re.compile(
    r"^\[(?:The user attached|Пользователь прислал) (a picture|something|картинку|вложение)[^\n]*\]$", re.M
)
RESUME = re.compile(r"Go on exactly where your last message stopped|Продолжи ровно с того места")
ORDERS: list[tuple[re.Pattern[str], Callable[[str, str], str]]] = [
    (re.compile("Give this conversation a title|Дай этой беседе название"), _title),
    (re.compile("Summarise this conversation|Составь для себя краткую запись"), _summary),
    (re.compile("Rewrite the last question|Перепиши последний вопрос"), _rewritten),
    (re.compile("You turn a short idea into a description|Ты превращаешь короткую идею"), _improved),
]


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


def language_of(text: str) -> str:
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


def _default(messages: Messages, language: str) -> str:
    before = len(_turns(messages)) - 1
    asked = spoken(question(messages))
    count = len(re.findall(r"\w+", asked))
    words = "1 word" if count == 1 else f"{count} words"
    quote = _quoted(asked)
    return phrase(language, "default", quote=quote, before=before, words=words, count=count)


def _memory(messages: Messages, language: str) -> str:
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
RULES: list[tuple[re.Pattern[str], str | Callable[[Messages, str], str]]] = [
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
