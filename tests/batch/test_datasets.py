"""Datasets: what a file may have, uploads that are found again, exports without names, and who is told by /forget."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from bot.batch.dataset_checks import check_file, kind_of
from bot.batch.exports import liked, lines_of
from bot.batch.vendor.values import MULTICLASS, MULTILABEL, PAIRS, PICTURES, REQUESTS
from bot.cli import dataset
from bot.errors import BadInput, LimitReached
from tests.batch.test_vendor_runs import VendorWorld, world

pytestmark = pytest.mark.disk
__all__ = ["world"]
ASKED = [{"role": "user", "text": "one"}]
PAIR = {"request": ASKED, "response": "two"}
TOPICS = [{"text": f"text {number}", "a": number % 2, "b": 1 - number % 2} for number in range(100)]


def file(folder: Path, rows: Iterable[Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_bytes(lines_of(rows))
    return path


def system(text: str) -> dict[str, Any]:
    return {"request": [{"role": "system", "text": text}, *ASKED], "response": "two"}


MISTAKES: list[tuple[str, list[Any], str]] = [
    (PAIRS, [PAIR] * 9, "9 rows, and at least 10 are needed"),
    (PAIRS, [*[PAIR] * 10, {"request": ASKED, "response": " "}], "line 11, response: there is no text"),
    (PAIRS, [*[PAIR] * 10, {"request": ASKED, "response": "x" * 10_001}], "line 11, response: more than 2,000 tokens"),
    (PAIRS, [*[PAIR] * 10, {"request": [{"role": "user", "text": "x" * 40_000}], "response": "y"}], "more than 8,000"),
    (PAIRS, [system("a")] * 9 + [system("b")], "2 system prompts (lines 1 and 10)"),
    (PAIRS, [*[PAIR] * 10, {"request": [], "response": "x"}], "line 11, request: there is no list of messages"),
    (REQUESTS, [{"request": [{"role": "bot", "text": "x"}]}], "another role than system, user or assistant"),
    (REQUESTS, [{"request": [*ASKED, {"role": "system", "text": "x"}]}], "a system prompt stands behind"),
    (REQUESTS, [{"request": [{"role": "assistant", "text": "x"}]}], "there is no message of the user"),
    (MULTICLASS, [{"text": "x", "a": 1}] * 100, "there is one class"),
    (MULTICLASS, [*TOPICS, {"text": "text 1", "a": 0, "b": 1}], "the text of line 2 is in another class there (a)"),
    (MULTICLASS, [*TOPICS, {"text": "x", "a": 1, "b": 1}], "2 classes are marked"),
    (MULTICLASS, [*TOPICS, {"text": "x", "a": 1}], "line 101, b: other classes than in the first row"),
    (MULTILABEL, [{"text": "x", "a": 2, "b": 1}] * 100, "line 1, a: 2 is no mark"),
    (MULTILABEL, [{"text": "x", "a" * 101: 1, "b": 1}] * 100, "a class has a name of 1 to 100 characters"),
    (MULTILABEL, [{"text": "x", **{f"c{n}": 1 for n in range(101)}}] * 100, "101 classes, and 100 are taken"),
    (PICTURES, [{"request": [{"role": "user", "content": [{"type": "image", "image": "bm9uZQ=="}]}]}], "is no JPEG"),
    ("TextEmbeddingsTriplet", [{"anchor": "x", "positive": "y"}], "line 1, negative: there is no text"),
]


def test_each_mistake_is_said_with_its_line_and_what_helps(tmp_path: Path) -> None:
    for task_type, rows, what in MISTAKES:
        found = check_file(file(tmp_path, rows), task_type)
        assert any(what in str(problem) for problem in found.problems), (what, found.problems)
        assert all(problem.remedy for problem in found.problems)


def test_what_is_unusual_but_taken_is_only_noted(tmp_path: Path) -> None:
    assert "below 1,000 tuning seldom helps" in check_file(file(tmp_path, [PAIR] * 10), PAIRS).warnings[0]
    long = {"request": ASKED, "response": "ы" * 6_000}
    assert check_file(file(tmp_path, [long] * 10), PAIRS).warnings[0].startswith("10 rows may be longer")
    russian = [{"text": row["text"], "возврат": row["a"], "Доставка до двери": row["b"]} for row in TOPICS]
    assert not check_file(file(tmp_path, russian), MULTICLASS).problems
    lonely = [*TOPICS, {"text": "x", "a": 0, "b": 0}]
    wide = [{**row, "c": int(row["text"] == "x")} for row in lonely]
    assert check_file(file(tmp_path, wide), MULTICLASS).warnings == [
        "the class 'c' has 1 examples: it can't be learned from that"
    ]


def test_the_services_own_schema_decides_where_it_says_otherwise(tmp_path: Path) -> None:
    schema = {"required": ["request", "response", "why"], "properties": {"request": {}}, "additionalProperties": False}
    problems = check_file(file(tmp_path, [PAIR] * 10), PAIRS, schema).problems
    assert str(problems[0]) == "line 1, why: the service wants this column, and it is missing; add it"


def test_what_a_file_is_for_is_seen_by_its_rows_or_has_to_be_said(tmp_path: Path) -> None:
    several = [*TOPICS, {"text": "x", "a": 1, "b": 1}]
    for rows, kind in (([PAIR], PAIRS), ([{"request": ASKED}], REQUESTS), (TOPICS, MULTICLASS), (several, MULTILABEL)):
        assert kind_of(file(tmp_path, rows)) == kind
    with pytest.raises(BadInput, match="--type says it"):
        kind_of(file(tmp_path, [{"x": 1}]))
    with pytest.raises(BadInput, match="has no rows"):
        kind_of(file(tmp_path, []))
    table = tmp_path / "a.csv"
    table.write_text("text;a;b\n" + "".join(f"t{n};{n % 2};{1 - n % 2}\n" for n in range(100)), "cp1251")
    assert not check_file(table, kind_of(table)).wrong


async def test_a_file_becomes_a_dataset_once_and_comes_back(world: VendorWorld) -> None:
    path = file(world.folder, [PAIR] * 10)
    work = world.workspace
    world.server.faults.fail_next("DatasetService.GetUploadDraftUrl", "INTERNAL", times=9)
    with pytest.raises(Exception, match="INTERNAL"):
        await dataset.upload_file(work, path, "", "mine")
    while world.server.faults.planned:
        world.server.faults.take("DatasetService.GetUploadDraftUrl")
    await dataset.upload_file(work, path, "", "mine")
    await dataset.upload_file(work, path, "", "mine")
    assert world.datasets == ["mine"]
    id_ = next(iter(world.server.datasets.all))
    await dataset.download_dataset(work, id_, to := world.folder / "back.jsonl")
    assert [json.loads(line) for line in to.read_text().splitlines()] == [PAIR] * 10
    await dataset.download_dataset(work, id_, world.folder / "back.parquet")
    await dataset.list_datasets(work)
    assert world.said[-1] == "1 of 100 datasets, 0.00 of 300 GB (a dataset may have 5)"
    await dataset.show_dataset(work, id_)
    await dataset.remove_dataset(work, id_)
    assert world.datasets == []


async def test_lines_that_only_the_service_refuses_are_those_of_the_users_file(world: VendorWorld) -> None:
    path = world.folder / "rows.csv"
    path.write_text('request;response\n"one";two\n' + "\n".join(f'"q{n}";two' for n in range(12)))
    work = world.workspace
    world.server.datasets.fewest[PAIRS] = 20
    with pytest.raises(BadInput, match=r"does not take rows.csv:\n  line 14: the dataset has 13 rows"):
        await dataset.upload_file(work, path, "pairs", "mine")
    assert world.datasets == []
    world.server.datasets.most = 0
    with pytest.raises(Exception, match="quota"):
        await dataset.upload_file(work, path, "pairs", "mine")
    for number in range(100):
        world.server.datasets.most = 200
        async with dataset.open_datasets(work) as datasets:
            await datasets.vendor.create_dataset(f"d{number}", PAIRS, {})
    with pytest.raises(LimitReached, match="as many as there may be"):
        await dataset.upload_file(work, path, "pairs", "mine")


def test_liked_answers_are_those_of_people_who_agreed_without_what_tells_who_they_are() -> None:
    def judged(chat: int, text: str, value: int = 1, prompt: str = "Be brief.") -> dict[str, Any]:
        messages = [{"role": "system", "text": prompt}, {"role": "user", "text": text}]
        return {"value": value, "chat": chat, "user": chat, "prompt": messages, "answer": "Call +7 999 123-45-67."}

    rows = [
        judged(1, "My name is Anna Smith, order 55?"),
        judged(1, "Bad?", -1),
        judged(2, "No?"),
        judged(1, "x", prompt="y"),
        judged(1, "z"),
    ]
    export = liked(rows, {1})
    assert export.rows[0] == {
        "request": [{"role": "system", "text": "Be brief."}, {"role": "user", "text": "My name is …, order 0?"}],
        "response": "Call +0.",
    }
    assert export.hidden[1] == ["Anna", "Smith,", "55?", "+7", "999", "123-45-67."]
    assert (len(export.rows), export.people) == (2, {1})
    assert export.left_out == {
        "of chats whose people were not said to have agreed (--agreed)": 1, "with another system prompt than most": 1,
    }  # fmt: skip
