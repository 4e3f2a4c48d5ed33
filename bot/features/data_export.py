"""Everything of a person as files that people and programs can read: Markdown and JSON in a ZIP. Pure."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.texts.catalog import say

BIGGEST = 45_000_000  # bytes of files in one ZIP: a bot may send 50 MB
Rows = Sequence[Mapping[str, Any]]
SHORT = 40  # characters of a title
FILES = "files"  # the folder of what was kept as a file
ENDINGS = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif"}


def zips(rows: Mapping[str, Rows], files: Sequence[tuple[str, bytes]], at: float, language: str) -> bytes:
    """A ZIP of what is known (`rows` by table, {} for none) and of files by their names."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        if rows:
            archive.writestr("everything.json", json.dumps(_readable(rows), ensure_ascii=False, indent=1))
            archive.writestr("conversations.md", markdown(rows, at, language))
        for name, data in files:
            archive.writestr(f"{FILES}/{_safe(name)}", data)
        for row in rows.get("messages", ()):
            for number, part in enumerate(json.loads(row["parts"])):
                if part.get("is") == "image" and part.get("data"):
                    archive.writestr(_picture(row, number, part), base64.b64decode(part["data"]))
    return target.getvalue()


def markdown(rows: Mapping[str, Rows], at: float, language: str) -> str:
    """All conversations, each with the branch that is shown first and the others below it."""
    lines = [f"# {say(language, 'export.title')}", "", _time(at), ""]
    by_conversation: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows.get("messages", ()):
        by_conversation[row["conversation_id"]].append(row)
    for conversation in rows.get("conversations", ()):
        said = by_conversation[conversation["id"]]
        id_ = conversation["id"]
        lines += [f"## {conversation['title'] or _title(said) or id_}", "", _time(conversation["at"]), ""]
        lines += [f"- {fact['text']}" for fact in rows.get("facts", ()) if fact["conversation_id"] == id_]
        for number, branch in enumerate(branches(said, conversation["head"])):
            if number:
                lines += [f"### {say(language, 'export.branch', number=number + 1)}", ""]
            for row in branch:
                lines += list(_message(row, language))
    return "\n".join(lines) + "\n"


def branches(said: Rows, head: int | None) -> Iterator[list[Mapping[str, Any]]]:
    """Every way through the tree from its beginning to an end, that to `head` first; of the others only what is new.

    Rows without parents stand in the order in which they were said.
    """
    known = {row["id"]: row for row in said}
    if not any(row["parent"] in known for row in said):
        if said:
            yield list(said)
        return
    parents = {row["parent"] for row in said}
    ends = [row["id"] for row in said if row["id"] not in parents]
    shown: set[int] = set()
    for end in sorted(ends, key=lambda id_: id_ != head):
        way: list[Mapping[str, Any]] = []
        place: int | None = end
        while place in known and place not in shown:
            way.append(known[place])
            place = known[place]["parent"]
        shown.update(row["id"] for row in way)
        if way:
            yield way[::-1]


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
        page = source.get("page")
        yield "- " + (say(language, "document.page", name=name, page=page) if page else name)
    yield ""


def filed(number: int, name: str, mime: str) -> str:
    """What a kept file is called in the archive; a picture has no name, but a type."""
    return f"{number}-{name}" if name else f"{number}{ENDINGS.get(mime, '')}"


def _picture(row: Mapping[str, Any], number: int, part: Mapping[str, Any]) -> str:
    """Where a picture of a message stands in the archive: a file of its own, unless its bytes are in the row."""
    if part.get("blob"):
        return f"{FILES}/{filed(part['blob'], '', part['mime'])}"
    return f"pictures/{row['id']}-{number}.jpg"


def _readable(rows: Mapping[str, Rows]) -> dict[str, list[dict[str, Any]]]:
    """The same without JSON inside JSON, bytes and secrets; times as people write them."""
    return {name: [_row(row) for row in table] for name, table in rows.items()}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in row.items():
        if name in ("parts", "sources", "prompt", "request") and isinstance(value, str):
            result[name] = _without_bytes(row, json.loads(value))
        elif name in ("at", "due", "first_seen", "expires", "chosen") and isinstance(value, float):
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


def _title(said: Rows) -> str:
    first = next((part["text"] for row in said for part in json.loads(row["parts"]) if part["is"] == "text"), "")
    line = " ".join(first.split())
    return line if len(line) <= SHORT else line[: SHORT - 1] + "…"


def _safe(name: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "-_. " else "_" for sign in name).lstrip(".")[:120] or "file"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
