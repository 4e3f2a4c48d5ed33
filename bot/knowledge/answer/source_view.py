"""A source as a reader sees it who opens a quote: the passage with the quoted sentences in bold, between what stands
before and after it. Pure; begin with `source_text`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from bot.knowledge.answer.presentation import MARKUP, address
from bot.knowledge.answer.shown import Shown
from bot.knowledge.citations import named_page, plain_title
from bot.storage.repositories.knowledge.passages import QuotedPassage
from bot.texts.catalog import say
from bot.texts.dates import day

AROUND = 300  # characters of the passages before and after


def by_article(quoted: Sequence[QuotedPassage]) -> Sequence[Sequence[QuotedPassage]]:
    """The quoted passages of an answer by article, in the order of the numbers that stand in the answer."""
    articles: dict[tuple[str, str], list[QuotedPassage]] = {}
    for one in quoted:
        articles.setdefault((one.passage.url, one.passage.title), []).append(one)
    return list(articles.values())


def source_text(
    quoted: Sequence[QuotedPassage], around: Mapping[int, tuple[str, str]], language: str
) -> str:  # fmt: skip
    """The quoted passages of one article, Markdown. `around`: by passage, the texts of the passages beside it.

    A passage that does not stand in its source any more says until when it did. One of a document has no date.
    """
    parts = []
    for one in quoted:
        passage = one.passage
        shown = Shown(
            passage=passage.id,
            title=passage.title,
            place=passage.place,
            sentences=(passage.text,),
            url=passage.url,
            anchor=passage.anchor,
            page=passage.page,
        )
        first = min(one.spans)
        title, link = plain_title(shown.whole_place), address(shown, passage.text[first[0] : first[1]])
        head = f"**{named_page(language, title, passage.page)}**"
        if when := one.until or passage.changed:
            date = day(datetime.fromtimestamp(when, UTC).date(), language)
            head += f"\n{say(language, 'kb.source.until' if one.until else 'kb.source.as_of', date=date)}"
        parts.append(head)
        before, after = around.get(passage.id, ("", ""))
        if before:
            parts.append(f"…{_escaped(before[-AROUND:])}")
        parts.append(_with_bold(passage.text, one.spans))
        if after:
            parts.append(f"{_escaped(after[:AROUND])}…")
        if link and not one.until:
            parts.append(f"[{say(language, 'kb.source.open')}]({link})")
    return "\n\n".join(parts)


def _with_bold(text: str, spans: Sequence[tuple[int, int]]) -> str:
    shown, last = "", 0
    for start, end in sorted(spans):
        start = max(start, last)
        shown += _escaped(text[last:start]) + "\n".join(map(_bold, text[start:end].split("\n")))
        last = max(end, last)
    return shown + _escaped(text[last:])


def _bold(line: str) -> str:
    words = line.strip()
    before, after = line[: len(line) - len(line.lstrip())], line[len(line.rstrip()) :]
    return f"{before}**{_escaped(words)}**{after}" if words else line


def _escaped(text: str) -> str:
    return MARKUP.sub(r"\\\g<0>", text)
