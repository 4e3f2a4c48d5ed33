"""The quotes of answers from the knowledge base, for /export, as the person may read them now. Begin with
`ExportedQuotes.of`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.features.data_export import Rows
from bot.knowledge.answering import KnowledgeAnswers
from bot.storage.store import Tx
from bot.types import Address, Incoming, User


@dataclass(frozen=True, slots=True)
class ExportedQuotes:
    """Reads the quotes of a person's answers for /export; `answers` knows which sources the person may read."""

    answers: KnowledgeAnswers

    def of(self, tx: Tx, user: int, rows: Mapping[str, Rows]) -> Rows:
        """The quotes of the answers among the exported `rows` of a person.

        Each has its answer (`message_id`), the `number` that stands in the answer, the quoted `text`, its `place`,
        `page` and `url`, when its article had changed last (`at`), and until when it stood there (`until`).
        """
        if not self.answers.base.may_have_sources:
            return []
        messages = {row["id"] for row in rows["messages"]}
        found: list[Mapping[str, Any]] = []
        for conversation in rows["conversations"]:
            quoting = sorted(messages & tx.knowledge.list_quoting(conversation["id"]).keys())
            if not quoting:
                continue
            private = conversation["chat"] == user
            alone = 0 if private else user
            where = Address(conversation["transport"], conversation["bot"], conversation["chat"], visible_to=alone)
            reader = Incoming("export", where, User(user), private=private)
            found += [quote for answer in quoting for quote in self._of_answer(tx, reader, answer)]
        return found

    def _of_answer(self, tx: Tx, reader: Incoming, answer: int) -> Iterator[Mapping[str, Any]]:
        from bot.knowledge.answer.source_view import by_article

        may_read = self.answers.reader(tx, reader)
        for number, article in enumerate(by_article(tx.knowledge.list_quoted(answer)), 1):
            for one in article:
                passage = one.passage
                if not may_read(passage.source_id, one.audience):
                    continue
                for start, end in sorted(one.spans):
                    yield {
                        "message_id": answer, "number": number, "text": passage.text[start:end],
                        "place": passage.place if passage.place.startswith(passage.title) else passage.title,
                        "page": passage.page,
                        "url": passage.url, "at": passage.changed, "until": one.until,
                    }  # fmt: skip
