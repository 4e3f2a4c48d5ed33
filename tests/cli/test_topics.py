"""`govorun topics`: begin a file, evaluate it, try a question, export a data set."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.cli.topics import app
from bot.clock import SystemClock
from bot.errors import BadInput, BotError, ConfigError
from bot.sandbox.ai_studio.server import Studio
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import TopicChoice
from bot.types import Address, Text

BOT = 42

TOPICS = """
[topic.returns]
title = "Returns"
examples = ["return my order", "return the order for money", "money for a return"]
words = ["refund*"]
persona = "support"
knowledge = ["all"]

[topic.delivery]
title = "Delivery"
examples = ["where is the courier", "the courier with a parcel", "a parcel by courier"]

[knowledge]
all = ["shop", "law"]
"""


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    monkeypatch.chdir(tmp_path)
    return lambda *words: app(list(words), standalone_mode=False)


@pytest.fixture
def run(typed: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Run a command beside the sandbox's AI Studio, which makes the vectors."""

    async def beside(*words: str) -> None:
        studio = Studio()
        await studio.start()
        try:
            for name, value in studio.settings().items():
                monkeypatch.setenv(name.upper(), value)
            await asyncio.to_thread(typed, *words)
        finally:
            await studio.close()

    return lambda *words: asyncio.run(beside(*words))


def test_init_writes_a_file_once(typed: Callable[..., object], capsys: pytest.CaptureFixture[str]) -> None:
    typed("init", "--language", "ru")
    assert "Темы: от темы вопроса" in Path("routing.toml").read_text("utf-8")
    assert "routing.toml is written" in capsys.readouterr().out
    with pytest.raises(BadInput, match=r"routing\.toml is there already"):
        typed("init")


def test_without_a_file_it_is_the_one_that_routing_names(
    typed: Callable[..., object], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUTING", "mine.toml")
    typed("init")
    assert "mine.toml is written" in capsys.readouterr().out
    typed("export")
    assert capsys.readouterr().out.startswith("{")
    assert not Path("routing.toml").exists()


def test_try_says_the_topic_and_where_it_leads(run: Callable[..., object], capsys: pytest.CaptureFixture[str]) -> None:
    Path("routing.toml").write_text(TOPICS)
    run("try", "I want refunds")
    assert capsys.readouterr().out.splitlines()[:3] == [
        "returns (by a word of the file)",
        "  persona: support",
        "  knowledge: shop, law",
    ]
    run("try", "the courier has my parcel")
    told = capsys.readouterr().out
    assert told.startswith("delivery (by meaning)\nBy meaning: delivery ")


def test_eval_says_how_well_topics_are_told_apart_and_what_an_edit_changes(
    run: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("routing.toml").write_text(TOPICS)
    Path("old.toml").write_text(TOPICS.replace("refund*", "refund"))
    Path("asked.txt").write_text("refunds 3\n\nthe courier has my parcel\n")
    run("eval", "--against", "old.toml", "--questions", "asked.txt")
    first, *_, head, change = capsys.readouterr().out.splitlines()
    assert first.startswith("6 of 6 examples (100.0%) get their topic when each is left out; ")
    assert head == "1 of 2 questions would be led elsewhere:"
    assert change.endswith("-> returns: 'refunds 3'")


def test_the_questions_and_corrections_of_the_bot_count(
    run: Callable[..., object], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, template: Path
) -> None:
    Path("routing.toml").write_text(TOPICS)
    shutil.copy(template, "govorun.db")
    monkeypatch.setenv("BOT_TOKEN", f"{BOT}:{'A' * 35}")
    run("eval")
    assert "led elsewhere" not in capsys.readouterr().out, "nobody has asked yet"
    asyncio.run(_asked())
    run("eval")
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("7 of 7 examples")
    assert told[-2:] == [
        "1 of the last 2 questions would be led elsewhere (1 more were not chosen by the question alone):",
        "  delivery -> returns: 'refund it'",
    ]
    run("export")
    assert '{"text": "my box of 0 kg", "returns": 0, "delivery": 1}' in capsys.readouterr().out


async def _asked() -> None:
    async with Store.open("sqlite+aiosqlite:///govorun.db", SystemClock()) as store:
        await store.write(_ask)


def _ask(tx: Tx) -> None:
    where = Address("telegram", BOT, 1001)
    conversation = tx.messages.begin_conversation(where)
    for number, (text, topic, way) in enumerate(
        [
            ("refund it", "delivery", "near"),
            ("refunds", "returns", "words"),
            ("and then?", "delivery", "fewshot"),
            ("thanks!", "other", "other"),
        ]
    ):
        asked = tx.messages.add_message(conversation, where, str(number), "user", (Text(text),), user=1001)
        tx.put(TopicChoice(question_id=asked.id, conversation_id=conversation, topic=topic, way=way))
    tx.question_topics.add_sample(BOT, 1001, "delivery", "my box of 0 kg", "a" * 64)


def test_export_prints_a_data_set_and_says_what_is_missing(
    typed: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("routing.toml").write_text(TOPICS)
    Path("more.jsonl").write_text('{"text": "lost in the post", "topic": "delivery"}\n')
    typed("export", "--samples", "more.jsonl")
    told = capsys.readouterr()
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert rows[0] == {"text": "return my order", "returns": 1, "delivery": 0}
    assert rows[-1] == {"text": "lost in the post", "returns": 0, "delivery": 1}
    assert told.err == "Tuning pays from 100 samples of each topic on: returns has 3, delivery has 4\n"


@pytest.mark.parametrize(
    ("files", "words", "kind", "said"),
    [
        ({}, ["export"], BadInput, "routing.toml: No such file or directory"),
        ({"routing.toml": "[routing]\n"}, ["export"], BadInput, "routing.toml: there is no topic in it"),
        ({"routing.toml": "[topic.a]\n"}, ["try", "x"], ConfigError, "routing.toml, line 1: topic.a: title is missing"),
        (
            {"routing.toml": TOPICS, "more": '{"text": "x", "topic": "returns"}\n[]\n'},
            ["export", "--samples", "more"],
            BadInput,
            "more, line 2: JSON like",
        ),
    ],
)
def test_what_can_not_be_read_is_one_sentence(
    typed: Callable[..., object], files: dict[str, str], words: list[str], kind: type[BotError], said: str
) -> None:
    for name, text in files.items():
        Path(name).write_text(text)
    with pytest.raises(kind) as caught:
        typed(*words)
    assert str(caught.value).startswith(said)
