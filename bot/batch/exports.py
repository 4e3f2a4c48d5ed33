"""Makes data sets of what a bot has learned: liked answers, operators' answers, topics, learned entries.

Begin with `EXPORTS`. Names and numbers are masked as in the examples of topics and of the desk (`samples.masked`), and
what was masked is listed, so that a person can look whether it is enough.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.ai import Finish
from bot.llm.topics.samples import masked
from bot.storage.store import Tx
from bot.storage.tables.batch import BatchRequest
from bot.storage.tables.knowledge import LEARNED_ENTRIES

LONGEST = 30_000  # characters of a text: above what a pair may have
WORD = re.compile(r"\S+")
NOT_AGREED = "of chats whose people were not said to have agreed (--agreed)"

Agreed = Collection[int] | None  # chats whose people have agreed; None: all of them


@dataclass(slots=True)
class Export:
    """Rows of a data set, the ids of the `people` whose words are in it, what was `hidden` by row (from 1), and why
    rows were left out.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    people: set[int] = field(default_factory=set)
    hidden: dict[int, list[str]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, messages: Sequence[tuple[str, str]], answer: str, names: Collection[str] = ()) -> None:
        """Add a pair of messages (role, text) and the answer to learn, masked."""
        number = len(self.rows) + 1
        said = [{"role": role, "text": text if role == "system" else self._mask(number, text, names)}
                for role, text in messages]  # fmt: skip
        self.rows.append({"request": said, "response": self._mask(number, answer, names)})

    def _mask(self, number: int, text: str, names: Collection[str]) -> str:
        shown = masked(text, names, LONGEST)
        kept = Counter(WORD.findall(shown))
        gone = [word for word in WORD.findall(text) if not kept[word]]
        if gone:
            self.hidden.setdefault(number, []).extend(gone)
        return shown


def lines_of(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as lines of JSON."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def liked(judged: Iterable[Mapping[str, Any]], agreed: Agreed, names: Collection[str] = ()) -> Export:
    """Answers with a good rating in the chats whose people have `agreed`, with the questions before them. `names` are
    masked wherever they stand.

    A model is tuned with one system prompt: rows with another one than most have are left out.
    """
    export = Export()
    wanted = []
    for row in judged:
        if row["value"] != 1 or not row["prompt"]:
            continue
        if agreed is not None and row["chat"] not in agreed:
            export.left_out[NOT_AGREED] += 1
            continue
        said = [(str(one.get("role", "")), _text(one)) for one in row["prompt"]]
        wanted.append((row, [(role, text) for role, text in said if text and role in ("system", "user", "assistant")]))
    usual = Counter(_system(said) for _, said in wanted).most_common(1)
    for row, said in wanted:
        if _system(said) != usual[0][0]:
            export.left_out["with another system prompt than most"] += 1
        elif said and said[-1][0] == "user":
            export.add(said, row["answer"], names)
            export.people.add(row["user"])
    return export


def drafts(tx: Tx, bot: int, agreed: Agreed) -> Export:
    """What operators have sent in place of drafts: their own words, to the question of a customer who has `agreed`."""
    export = Export()
    for draft, name, people in tx.drafts.list_decided(bot):
        if agreed is not None and people[0] not in agreed:
            export.left_out[NOT_AGREED] += 1
            continue
        question = tx.messages.find_message(draft.question)
        if question is None or not question.words:
            export.left_out["whose question is gone"] += 1
            continue
        names = [name, *tx.members.read_names(bot, people).values()]
        export.add([("user", question.words)], draft.sent or draft.text, names)
        export.people.update(filter(None, people))
    return export


def learned(tx: Tx, bot: int) -> Export:
    """The entries that operators have added to the knowledge base: their own words."""
    export = Export()
    for entry in tx.all(LEARNED_ENTRIES, bot=bot):
        export.add([("user", entry.question)], entry.answer, list(tx.members.read_names(bot, [entry.author]).values()))
        export.people.update(filter(None, [entry.author]))
    return export


def answered(requests: Iterable[BatchRequest]) -> Export:
    """The complete answers of a batch run, with their requests: one model learns from what another has answered."""
    export = Export()
    for request in requests:
        said = json.loads(request.body)
        if request.state != "answered" or request.finish == Finish.LENGTH:
            export.left_out["without a complete answer"] += 1
        elif any(not isinstance(one.get("text"), str) for one in said):
            export.left_out["with pictures"] += 1
        else:
            export.rows.append({"request": said, "response": request.answer})
    return export


def _system(said: Sequence[tuple[str, str]]) -> str:
    return next((text for role, text in said if role == "system"), "")


def _text(message: Mapping[str, Any]) -> str:
    found = message.get("text", message.get("content", ""))
    if isinstance(found, str) and found:
        return found
    parts = message.get("parts") or (found if isinstance(found, list) else [])
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping)).strip()
