"""The ZIP file of /export: the data of one person as Markdown and JSON. Pure; begin with `zips`."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.knowledge.citations import named_page
from bot.texts.catalog import say
from bot.texts.dates import day

BIGGEST = 45_000_000  # bytes of files in one ZIP: Telegram lets a bot send 50 MB
Rows = Sequence[Mapping[str, Any]]
SHORT = 40  # characters of a title
FILES = "files"  # the folder of documents and pictures that are stored as files
ENDINGS = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif"}


def zips(rows: Mapping[str, Rows], files: Sequence[tuple[str, bytes]], at: float, language: str) -> bytes:
    """A ZIP with the database rows of a person, by table, and with files as (name, bytes).

    `rows` is empty for the second and later parts of an export. `at` is the time of the export in Unix seconds.
    """
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        if rows:
            archive.writestr("everything.json", json.dumps(_readable(rows), ensure_ascii=False, indent=1, default=str))
            archive.writestr("conversations.md", markdown(rows, at, language))
        for name, data in files:
            archive.writestr(f"{FILES}/{_safe(name)}", data)
        for row in rows.get("messages", ()):
            for number, part in enumerate(json.loads(row["parts"])):
                if part.get("is") == "image" and part.get("data"):
                    archive.writestr(_picture(row, number, part), base64.b64decode(part["data"]))
    return target.getvalue()


def markdown(rows: Mapping[str, Rows], at: float, language: str) -> str:
    """All conversations as Markdown: for each the current branch first, then the messages of its other branches."""
    lines = [f"# {say(language, 'export.title')}", "", _time(at), ""]
    by_conversation: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows.get("messages", ()):
        by_conversation[row["conversation_id"]].append(row)
    quotes: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for quote in rows.get("quotes", ()):
        quotes[quote["message_id"]].append(quote)
    for conversation in rows.get("conversations", ()):
        messages = by_conversation[conversation["id"]]
        id_ = conversation["id"]
        lines += [f"## {conversation['title'] or _title(messages) or id_}", "", _time(conversation["at"]), ""]
        lines += [f"- {fact['text']}" for fact in rows.get("facts", ()) if fact["conversation_id"] == id_]
        for number, branch in enumerate(branches(messages, conversation["head"])):
            if number:
                lines += [f"### {say(language, 'export.branch', number=number + 1)}", ""]
            for row in branch:
                lines += [*_message(row, language), *(_quote(one, language) for one in quotes[row["id"]]), ""]
    return "\n".join(lines) + "\n"


def branches(messages: Rows, head: int | None) -> Iterator[list[Mapping[str, Any]]]:
    """The branches of a conversation: first from the root to the message `head`, then the new messages of the others.

    Without any parents among the rows, all rows are one branch, in the order of the rows.
    """
    by_id = {row["id"]: row for row in messages}
    if not any(row["parent"] in by_id for row in messages):
        if messages:
            yield list(messages)
        return
    parents = {row["parent"] for row in messages}
    ends = [row["id"] for row in messages if row["id"] not in parents]
    yielded: set[int] = set()
    for end in sorted(ends, key=lambda id_: id_ != head):
        branch: list[Mapping[str, Any]] = []
        id_: int | None = end
        while id_ in by_id and id_ not in yielded:
            branch.append(by_id[id_])
            id_ = by_id[id_]["parent"]
        yielded.update(row["id"] for row in branch)
        if branch:
            yield branch[::-1]


def _message(row: Mapping[str, Any], language: str) -> Iterator[str]:
    who = "export.you" if row["role"] == "user" else "export.bot"
    model = f", {row['model']}" if row["model"] else ""
    yield f"**{say(language, who)}** ({_time(row['at'])}{model})"
    yield ""
    for number, part in enumerate(json.loads(row["parts"])):
        if part["is"] == "text":
            yield part["text"]
        elif part["is"] == "image":
            yield f"![]({_picture(row, number, part)})"
        else:
            yield f"[{part['is']} {part.get('name', '')}]"
    for source in json.loads(row["sources"]):
        name = " ".join(word for word in (source.get("title"), source.get("url")) if word)
        yield "- " + named_page(language, name, source.get("page", 0), source.get("place", ""))


def _quote(quote: Mapping[str, Any], language: str) -> str:
    """A quoted sentence with its number in the answer, its place, and the date of its version."""
    until = quote["until"]
    date = day(datetime.fromtimestamp(until or quote["at"], UTC).date(), language)
    told = say(language, "kb.source.until" if until else "kb.source.as_of", date=date)
    name = " ".join(filter(None, (quote["place"], quote["url"])))
    text = " ".join(quote["text"].split())
    return f"> [{quote['number']}] {text}\n> — {named_page(language, name, quote['page'])}. {told}\n"


def filed(number: int, name: str, mime: str) -> str:
    """The name of a stored file in the archive; the ending of a picture without a name comes from its MIME type."""
    return f"{number}-{name}" if name else f"{number}{ENDINGS.get(mime, '')}"


def _picture(row: Mapping[str, Any], number: int, part: Mapping[str, Any]) -> str:
    """The path of a message's picture in the archive: a stored file, or a picture whose bytes are in the row."""
    if part.get("blob"):
        return f"{FILES}/{filed(part['blob'], '', part['mime'])}"
    return f"pictures/{row['id']}-{number}.jpg"


def _readable(rows: Mapping[str, Rows]) -> dict[str, list[dict[str, Any]]]:
    """The rows without nested JSON strings and bytes of pictures, with times as text."""
    return {name: [_row(row) for row in table] for name, table in rows.items()}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in row.items():
        if name in ("parts", "sources", "prompt", "request") and isinstance(value, str):
            result[name] = _without_bytes(row, json.loads(value))
        elif name in ("at", "due", "first_seen", "expires", "chosen", "until") and isinstance(value, float):
            result[name] = _time(value) if value else None
        else:
            result[name] = value
    return result


def _without_bytes(row: Mapping[str, Any], value: Any) -> Any:
    if not isinstance(value, list):
        return value
    parts = [part if isinstance(part, dict) else {} for part in value]
    return [
        {**part, "data": _picture(row, number, part)} if "data" in part else value[number]
        for number, part in enumerate(parts)
    ]


def _title(messages: Rows) -> str:
    first = next((part["text"] for row in messages for part in json.loads(row["parts"]) if part["is"] == "text"), "")
    line = " ".join(first.split())
    return line if len(line) <= SHORT else line[: SHORT - 1] + "…"


def _safe(name: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "-_. " else "_" for sign in name).lstrip(".")[:120] or "file"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
