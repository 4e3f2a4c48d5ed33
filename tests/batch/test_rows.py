"""The rows of a user's file: JSON lines and tables, and what is said about each thing that can be wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from bot.batch.planning import requests_in
from bot.batch.rows import LONGEST_CELL, open_rows, question_column
from bot.errors import BadInput

pytestmark = pytest.mark.disk

READABLE = [
    ("a.jsonl", b'{"question": "one"}\n\n{"question": "two"}', [(1, "one"), (3, "two")]),
    ("bom.jsonl", b'\xef\xbb\xbf{"question": "one"}\r\n{"question": "two"}\r\n', [(1, "one"), (2, "two")]),
    ("differs.jsonl", b'{"question": "one", "id": 1}\n{"id": 2, "question": "two"}\n', [(1, "one"), (2, "two")]),
    ("a.csv", b"id,question\n1,one\n2,two", [(2, "one"), (3, "two")]),
    ("excel.csv", b"\xef\xbb\xbfid;question\r\n1;one\r\n\r\n2;two\r\n", [(2, "one"), (4, "two")]),
    (
        "quotes.csv",
        b'id,question\n1,"one, ""and"" a half\nof it"\n2,two\n',
        [(2, 'one, "and" a half\nof it'), (4, "two")],
    ),
    ("a.tsv", b"question\tid\none, two; three\t1\n", [(2, "one, two; three")]),
    ("windows.csv", "вопрос;ид\nГде заказ?;1\n".encode("cp1251"), [(2, "Где заказ?")]),
    ("only.csv", b"utterance\none\n", [(2, "one")]),
    ("empty.jsonl", b"", []),
    ("empty.csv", b"\n\n", []),
]

UNREADABLE = [
    ("a.txt", b"one", ".jsonl, .csv, .tsv or .parquet is expected"),
    ("a.jsonl", b'{"question": "one"}\n{"question": two}\n', "line 2: no JSON"),
    ("nan.jsonl", b'{"question": "one", "x": NaN}\n', "line 1: no JSON (NaN is no JSON number)"),
    ("list.jsonl", b'["one"]\n', "line 1: an object like"),
    ("deep.jsonl", b'{"question": ' + b"[" * 100_000, "line 1: no JSON"),
    ("half.jsonl", b'{"question": "\\ud83d"}\n', "line 1: question has half a character"),
    (
        "long.jsonl",
        b'{"question": "' + b"x" * (LONGEST_CELL + 1) + b'"}',
        "question has more than 1,000,000 characters",
    ),
    ("mixed.csv", b"question\n" + b"one\n" * 20_000 + "два\n".encode("cp1251"), "line 20002: byte 1 is no utf-8"),
    ("cells.csv", b"id,question\n1,one,more\n", "line 2: 3 cells, but the first line names 2 columns"),
    ("twice.csv", b"id,id\n1,2\n", "has to name each column once"),
    ("open.csv", b'id,question\n1,"one\n', "line 2: unexpected end of data"),
    ("long.csv", b"question\n" + b"x" * (LONGEST_CELL + 2) + b"\n", "line 2: field larger than field limit"),
]


@pytest.mark.parametrize(("name", "data", "rows"), READABLE)
def test_a_file_is_read_row_by_row(tmp_path: Path, name: str, data: bytes, rows: list[tuple[int, str]]) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert [(row.number, row.columns[question_column(row)]) for row in open_rows(path)] == rows


@pytest.mark.parametrize(("name", "data", "complaint"), UNREADABLE)
def test_what_is_wrong_with_a_file_is_said_with_its_line(
    tmp_path: Path, name: str, data: bytes, complaint: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadInput) as caught:
        list(open_rows(path))
    assert complaint in str(caught.value)


def test_a_parquet_file_of_another_schema_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for rows, complaint in (
        ([{"question": 7}], "line 1: question has no question"),
        ([{"question": b"one"}], "line 1: question has no question"),
        ([{"question": {"text": "one"}}], "line 1: question has no question"),
        ([{"question": None}], "line 1: question has no question"),
        ([{"id": 1, "at": 2.5}], "which column holds the question? --column names it; there are 'id', 'at'"),
        ([{"question": [{"who": "user", "what": "one"}]}], 'a message is {"role": "user"'),
    ):
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        with pytest.raises(BadInput) as caught:
            list(requests_in(path))
        assert complaint in str(caught.value)
    for data in (b"", b"PAR1", b"question\none\n"):
        path.write_bytes(data)
        with pytest.raises(BadInput, match=r"a\.parquet: no Parquet, or a damaged one"):
            list(requests_in(path))


def test_a_parquet_file_of_one_large_group_is_read_in_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = [f"Question {number}, with some words that no other has" for number in range(200_000)]
    plain: dict[str, Any] = {"compression": "none", "use_dictionary": False}
    parquet.write_table(pyarrow.table({"question": texts}), path, row_group_size=len(texts), **plain)
    before, most = pyarrow.total_allocated_bytes(), 0
    for row in open_rows(path):
        if row.number % 10_000 == 0:
            most = max(most, pyarrow.total_allocated_bytes() - before)
    assert most < 3 << 20  # bytes; the group has 11 MB


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        list(open_rows(tmp_path / "none.csv"))


def test_a_question_is_found_by_its_column_and_dialogs_are_taken_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"id": 1, "prompt": " What? "}\n'
        '{"id": 2, "prompt": [{"role": "user", "content": "What?"}]}\n'
        '{"id": 3, "prompt": [{"role": "user", "text": "One"}, {"role": "assistant", "text": "Two"}, '
        '{"role": "user", "text": "Three"}]}\n'
    )
    requests = [request for _, request in requests_in(path, options={"system": "Be brief."})]
    assert requests[0].hash == requests[1].hash, "the same question is the same request"
    assert requests[0].body == '[{"role":"system","text":"Be brief."},{"role":"user","text":"What?"}]'
    assert requests[2].body.count("role") == 4


def test_rows_without_a_question_are_listed_before_anything_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\n1,one\n2,\n3,  \n")
    with pytest.raises(BadInput) as caught:
        list(requests_in(path))
    assert str(caught.value).splitlines() == [
        "a.csv can't be asked:", "line 3: text has no question", "line 4: text has no question",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ('{"a": 1, "b": "x"}', "which column holds the question? --column names it; there are 'a', 'b'"),
        ('{"messages": []}', "the last message has to be the user's"),
        ('{"messages": [{"role": "assistant", "text": "x"}]}', "the last message has to be the user's"),
        ('{"messages": [{"role": "bot", "text": "x"}]}', "with role system, user or assistant"),
        ('{"question": 7}', "question has no question"),
    ],
)
def test_a_row_that_can_not_be_asked_says_why(tmp_path: Path, rows: str, complaint: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(rows)
    with pytest.raises(BadInput) as caught:
        list(requests_in(path))
    assert complaint in str(caught.value)


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\n1,one\n")
    with pytest.raises(BadInput, match="there is no column 'frage', only 'id', 'text'"):
        list(requests_in(path, options={"column": "frage"}))


def test_a_row_with_a_system_prompt_takes_no_second_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"messages": [{"role": "system", "text": "x"}, {"role": "user", "text": "y"}]}\n')
    assert len(list(requests_in(path))) == 1
    with pytest.raises(BadInput, match="a system prompt of its own"):
        list(requests_in(path, options={"system": "Be brief."}))
