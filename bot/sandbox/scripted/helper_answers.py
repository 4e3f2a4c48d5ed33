"""The scripted model's answers to requests that the bot makes itself: titles, summaries, continuations, quotes from
documents.

Begin with `helper_answer`. The model recognises such a request by how it begins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from bot.prompts.catalog import instruct
from bot.sandbox.scripted.texts import phrase
from bot.texts.catalog import LANGUAGES

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
