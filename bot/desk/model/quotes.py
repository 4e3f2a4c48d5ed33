"""Looks up the quotations of a draft in the sources: `checked`. Pure.

Code decides, not the model: ✓ is shown for words of a passage as it is stored, ✗ for a quotation that stands in no
passage, and for a sentence that the sources do not carry, which is not in the draft any more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.knowledge.answer.citing import Citing

SENTENCE = re.compile(r"[^.!?…\n]+[.!?…»”\"]*")


@dataclass(frozen=True, slots=True)
class Quoted:
    """The quotations of a draft: words of the sources with the place of each, and those that stand in no source, with
    the sentence around each. `left_out` are sentences that the sources do not carry; `own`: others, which these do not
    carry either, are in the draft.
    """

    found: tuple[tuple[str, str], ...] = ()
    lost: tuple[tuple[str, str], ...] = ()
    left_out: tuple[str, ...] = ()
    own: bool = False

    @property
    def is_sure(self) -> bool:
        """Whether nothing of the draft is without a source."""
        return not (self.lost or self.left_out or self.own)

    def stored(self) -> str:
        """The quotations as JSON."""
        return json.dumps([self.found, self.lost, self.left_out], ensure_ascii=False)


def checked(text: str, citing: Citing | None) -> Quoted:
    """Look up each quotation of a draft in the sources. If no sources were asked (`citing` None), none is found."""
    from bot.knowledge.answer.quotes import quoted, stands

    passages = [] if citing is None else [one.text for one in citing.evidence.shown]
    lost = [
        (one, _sentence(text, one)) for one in quoted(text) if not any(stands(one, passage) for passage in passages)
    ]
    if citing is None:
        return Quoted(lost=tuple(lost))
    left_out = tuple(citing.left_out)
    return Quoted(found=tuple(_found(citing)), lost=tuple(lost), left_out=left_out, own=citing.has_own)


def _found(citing: Citing) -> Sequence[tuple[str, str]]:
    shown = citing.evidence.shown
    return [
        (shown[quote.place].text[quote.start : quote.end].strip(), shown[quote.place].title or shown[quote.place].place)
        for quote in citing.quotes
    ]


def _sentence(text: str, quotation: str) -> str:
    """The sentence of a draft in which a quotation begins."""
    at = text.find(quotation)
    found = (one for one in SENTENCE.finditer(text) if one.start() <= at < one.end())
    return next((one[0].strip() for one in found), quotation)
