"""The sandbox's Telegram makes of marked-up texts and of addresses what Telegram's own library makes of them."""

from __future__ import annotations

from bot.telegram.render import parse, pieces
from tests.sandbox.telegram.tdlib import LINK, outcome, recorded


def test_what_is_refused_and_what_becomes_of_the_rest_is_as_in_telegrams_own_library() -> None:
    rows = recorded()
    assert len(rows) > 400
    assert [(kind, text, outcome(kind, text)) for kind, text, theirs in rows if outcome(kind, text) != theirs] == []


def test_an_address_that_telegrams_own_library_refuses_is_never_a_link() -> None:
    refused = [text for kind, text, theirs in recorded() if kind == LINK and len(theirs) == 1]
    assert len(refused) > 50
    for address in refused:
        for markdown in (f"[x]({address})", f"[x](<{address}>)", f"<{address}>", f"![x]({address})"):
            linked = [entity for piece in pieces(parse(markdown)) for entity in piece.entities if "url" in entity]
            assert linked == [], markdown
