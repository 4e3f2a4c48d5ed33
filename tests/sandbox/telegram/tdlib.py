"""Compares the sandbox's Telegram with TDLib, the library with which Telegram's own Bot API server is built.

`pip install tdjson` first; then from the root of the project:

    python -m tests.sandbox.telegram.tdlib             compare 20,000 random texts and check 2,000 nasty answers
    python -m tests.sandbox.telegram.tdlib --record    write tests/recordings/tdlib.jsonl anew, which a test reads

TDLib works offline here: it parses and checks, and talks to nobody.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from bot.sandbox.telegram.call import ApiError
from bot.sandbox.telegram.markup.entities import checked
from bot.sandbox.telegram.markup.markdown import parse
from bot.telegram.sending import messages
from bot.telegram.sending.messages import Rung, Screen
from bot.types import Outgoing
from tests.telegram.test_render_corpus import letters, nasty

RECORDED = Path("tests/recordings/tdlib.jsonl")
ROWS = 120  # of each kind
LINK = "link"
# What random texts are made of. ␠, ␤ and ␍ are a blank, a newline and a carriage return.
PIECES = {
    LINK: r"""http:// https:// HTTP:// ftp:// tg:// tg: ton:// TON: tonsite:// tel: mailto: javascript: // / ? # @ : a
        b.c A.Ru localhost [::1] [::g] [ ] :80 :0 :99999 :065535 %41 %4 %zz я президент.рф user ?id=5 ?id=0 &id=7 .. . -
        _ ! $ " < \ { | ~ ( ) * & = + , ; 😀 ␠ tg://user?id=12 x=1""",
    "HTML": r"""<b> </b> <i> </i> <a␠href=" "> </a> <a> <code␠class="language-py"> </code> <pre> </pre> <blockquote>
        <pre><code␠class=language-c> </code></pre> <blockquote␠expandable> </blockquote> <tg-emoji␠emoji-id="5"> <b␠
        </tg-emoji> <tg-time␠unix="5"␠format="wD"> </tg-time> <span␠class='tg-spoiler'> </span> <tg-spoiler> <B> </B> ␤
        </tg-spoiler> &lt; &gt &amp; &quot; &#65; &#x41; &#0; &#xd83d; &#1114111; &copy; &ltx; & < </ > a Я 😀 /> <br>
        <b/> x=y http://a.b tg://user?id=5 http://localhost <u> </u> <code> = ' expandable class""",
    "MarkdownV2": r"""* _ __ ~ || | ` ``` ```py␤ [ ] ]( ( ) ![ > ␤ ␤> ||␤ ␠ ␍ \* \ a Я 😀 ! # . ](http://a.b)
        ](http://localhost) ](tg://user?id=7) ](tg://emoji?id=5) ](tg://time?unix=5) **>""",
    "Markdown": r"""* _ ` ``` ```py␤ [ ]( ( ) ␤ ␠ ␍ \* \ \_ \[ a Я 😀 a.b ](http://a.b) ](http://localhost)
        ](tg://user?id=7)""",
}
BLANKS = str.maketrans("␠␤␍", " \n\r")
NAMES = {
    "PreCode": "pre", "BlockQuote": "blockquote", "ExpandableBlockQuote": "expandable_blockquote",
    "TextUrl": "text_link", "MentionName": "text_mention", "CustomEmoji": "custom_emoji", "DateTime": "date_time",
}  # fmt: skip
VALUES = ("url", "language", "user_id", "custom_emoji_id", "unix_time", "user")
LIVE = ("Mention", "BotCommand")


class Library:
    """TDLib, of which only functions without a network are called."""

    def __init__(self) -> None:
        self._execute: Callable[[bytes], bytes] = import_module("tdjson").td_execute
        self.ask("setLogVerbosityLevel", new_verbosity_level=0)

    def ask(self, name: str, **given: Any) -> dict[str, Any]:
        """Return what TDLib answers to a request."""
        answer: dict[str, Any] = json.loads(self._execute(json.dumps({"@type": name, **given}).encode()))
        return answer

    def outcome(self, kind: str, text: str) -> list[Any]:
        """Return what becomes of a text in a parse mode, or of the address of a link."""
        if kind == LINK:
            entity = {"offset": 0, "length": 1, "type": {"@type": "textEntityTypeTextUrl", "url": text}}
            found = self.ask("parseMarkdown", text={"text": "a", "entities": [entity]})
        elif kind == "HTML":
            found = self.ask("parseTextEntities", text=text, parse_mode={"@type": "textParseModeHTML"})
        else:
            mode = {"@type": "textParseModeMarkdown", "version": 2 if kind == "MarkdownV2" else 1}
            found = self.ask("parseTextEntities", text=text, parse_mode=mode)
        return [found["message"]] if found["@type"] == "error" else [found["text"], _named(found["entities"])]

    def refusal(self, screen: Screen) -> str:
        """Return why TDLib would not send a text with entities, or what it would make of the text; "" for all good."""
        kinds = {"pre": "PreCode", "text_link": "TextUrl", "expandable_blockquote": "ExpandableBlockQuote"}
        entities = []
        for one in screen.entities:
            kind = kinds.get(one["type"], "BlockQuote" if one["type"] == "blockquote" else one["type"].title())
            extra = {name: one[name] for name in ("url", "language") if name in one}
            type_ = {"@type": f"textEntityType{kind}"} | extra
            entities.append({"offset": one["offset"], "length": one["length"], "type": type_})
        found = self.ask("getMarkdownText", text={"text": screen.text, "entities": entities})
        if found["@type"] == "error":
            return str(found["message"])
        bare = str(self.ask("getMarkdownText", text={"text": screen.text}).get("text"))
        return "" if letters(bare) == letters(screen.text) else f"the text would become {bare!r}"

    def acts(self, screen: Screen) -> list[str]:
        """Return the mentions, the commands and the links into the app that the server would find in a text."""
        raw = screen.text.encode("utf-16-le")
        still = [
            (one["offset"], one["offset"] + one["length"])
            for one in screen.entities
            if one["type"] in {"code", "pre", "text_link"}
        ]
        found = []
        for one in self.ask("getTextEntities", text=screen.text)["entities"]:
            start, end = one["offset"], one["offset"] + one["length"]
            words = raw[2 * start : 2 * end].decode("utf-16-le")
            acts = one["type"]["@type"].endswith(LIVE) or words.lower().startswith(("tg:", "ton"))
            if acts and not any(start < last and first < end for first, last in still):
                found.append(words)
        return found


def outcome(kind: str, text: str) -> list[Any]:
    """Return what the sandbox's Telegram makes of a text, in the form of `Library.outcome`."""
    try:
        if kind == LINK:
            plain, entities = "a", checked([{"type": "text_link", "offset": 0, "length": 1, "url": text}])
        else:
            plain, entities = parse(text, kind)
    except ApiError as error:
        reason = error.description.removeprefix("Bad Request: ")
        return [reason[:1].upper() + reason[1:]]
    return [plain, sorted([one["type"], one["offset"], one["length"], _value(one)] for one in entities)]


def recorded() -> list[list[Any]]:
    """Return what TDLib has answered: kind, text, outcome."""
    return [json.loads(line) for line in RECORDED.read_text().splitlines()]


def _named(entities: list[dict[str, Any]]) -> list[list[Any]]:
    found = []
    for one in entities:
        kind = one["type"]["@type"].removeprefix("textEntityType")
        found.append([NAMES.get(kind, kind.lower()), one["offset"], one["length"], _value(one["type"])])
    return sorted(found)


def _value(entity: dict[str, Any]) -> str:
    found = next((entity[name] for name in VALUES if entity.get(name)), "")
    return str(found["id"] if isinstance(found, dict) else found)


def _texts(kind: str, count: int, seed: int) -> Iterator[str]:
    chance = random.Random(seed)
    pieces = [piece.translate(BLANKS) for piece in PIECES[kind].split()]
    for _ in range(count):
        text = "".join(chance.choice(pieces) for _ in range(chance.randint(1, 8)))
        # TDLib makes a wrong address of the text of a link that has none, or dies.
        if kind != "Markdown" or (text.isascii() and text.count("[") == text.count("](")):
            yield text


def _differing(library: Library, kind: str, count: int) -> list[str]:
    return [
        f"{kind} {text!r}: TDLib {theirs}, here {ours}"
        for text in _texts(kind, count, 1)
        if (theirs := library.outcome(kind, text)) != (ours := outcome(kind, text))
    ]


def _wrong_answers(library: Library, count: int) -> Iterator[str]:
    for number in range(count):
        markdown = nasty(number)
        for rung in (Rung.ENTITIES, Rung.PLAIN):
            for screen in messages.finished(Outgoing(markdown), rung):
                if reason := library.refusal(screen):
                    yield f"{markdown!r}: {reason}"
                if rung is Rung.ENTITIES and (acts := library.acts(screen)):
                    yield f"{markdown!r}: {acts} come alive"


def main() -> int:
    """Compare, or record, as the docstring of this module says. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.telegram.tdlib")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--texts", type=int, default=5_000, help="random texts of each kind")
    parser.add_argument("--answers", type=int, default=2_000)
    options = parser.parse_args()
    library = Library()
    if options.record:
        rows = [[kind, text, library.outcome(kind, text)] for kind in PIECES for text in _texts(kind, ROWS, 2)]
        RECORDED.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        return 0
    differing = [line for kind in PIECES for line in _differing(library, kind, options.texts)]
    wrong = list(_wrong_answers(library, options.answers))
    sys.stdout.write("".join(f"{line}\n" for line in (*differing[:20], *wrong[:20])))
    sys.stdout.write(
        f"{len(differing)} texts differ, {len(wrong)} of {options.answers} answers are not as they should be\n"
    )
    return 1 if differing or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
