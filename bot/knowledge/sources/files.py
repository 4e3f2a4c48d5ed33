"""What all sources do with a file: read it in a child process, and say what is new. Begin with `FileReader`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Concatenate, ParamSpec, TypeVar

from bot.concurrency.child_pool import ChildPool
from bot.errors import Unreadable
from bot.knowledge.sources.reading import Articles, read_file
from bot.knowledge.sources.source import Event, Found, Known, Seen, SourceLimits, Trouble, Unchanged

P = ParamSpec("P")
T = TypeVar("T")
REASONS = {"scanned": "no_text", "long": "too_long"}  # of `Trouble`, where those of `Unreadable` have other names


class FileReader:
    """Reads articles out of files, in child processes: a file that crashes its reader does not crash the bot."""

    def __init__(self, files: ChildPool, limits: SourceLimits) -> None:
        self._files = files
        self._limits = limits

    async def read(self, data: bytes, name: str, mime: str = "", charset: str = "") -> Articles | str:
        """The articles of a file, or why it can't be read (the reason of a `Trouble`)."""
        if len(data) > self._limits.file:
            return "too_long"
        try:
            limits = self._limits
            found = await self.call(read_file, data, name, mime, charset, limits.characters, limits.hidden)
        except Unreadable as error:
            return REASONS.get(error.why, error.why)
        del data
        read = await asyncio.to_thread(Articles.of, found)
        if read.leads_to:
            return f"moved:{read.leads_to}"
        return read if read.articles else "empty"

    async def call(
        self, function: Callable[Concatenate[bytes, P], T], data: bytes, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a function of a module with foreign bytes in a child process. Raises `Unreadable`."""
        async with self._files.place() as slot:
            return await slot.run(function, data, *args, **kwargs)


class KnownFiles:
    """What is known of the files of a source. A file has one article, or several: an FAQ with audiences."""

    def __init__(self, known: Known, limits: SourceLimits) -> None:
        self._reading = limits.reading
        self._files: dict[str, dict[str, Mapping[str, str]]] = {}
        for key, validators in known.items():
            self._files.setdefault(validators.get("file", key), {})[key] = validators

    def validators(self, file: str) -> Mapping[str, str]:
        """The validators of a file, none where it is new or was read by an older Govorun or otherwise."""
        found = next(iter(self._files.get(file, {}).values()), {})
        return found if found.get("reading") == self._reading else {}

    def unchanged(self, file: str, seen: Seen, validators: Mapping[str, str] | None = None) -> Iterator[Event]:
        """Yield that the articles of a file are unchanged, and what was left out of it again; with new validators if
        they are given.
        """
        kept = self.validators(file)
        if twin := seen.twin(kept.get("text", file), file):
            yield Trouble(file, f"same:{twin}")
            return
        for key in self._files.get(file, {}):
            yield Unchanged(key, {**kept, **validators} if validators else kept)
        for reason in filter(None, kept.get("left_out", "").split("\n")):
            yield Trouble(file, reason)

    def spread(self, event: Event) -> Iterator[Event]:
        """Yield the trouble with a file once for each of its articles, so that none of them counts as deleted; other
        events unchanged.
        """
        if isinstance(event, Trouble) and not event.is_partial:
            for key in self._files.get(event.key) or [event.key]:
                yield Trouble(key, event.reason)
        else:
            yield event

    def below(self, folder: str) -> list[str]:
        """The files that are known to stand in a folder."""
        return [file for file in self._files if file.startswith(f"{folder}/")]


def found_in(
    articles: Articles, file: str, seen: Seen, validators: Mapping[str, str], *, url: str = "",
    changed: float | None = None,
) -> Iterator[Event]:  # fmt: skip
    """The articles of a file that was read, and what was left out of it; none if an earlier file has their text."""
    if twin := seen.twin(articles.sha, file):
        yield Trouble(file, f"same:{twin}")
        return
    kept = {**validators, "file": file, "reading": seen.reading, "text": articles.sha}
    if articles.left_out:
        kept["left_out"] = "\n".join(articles.left_out)
    for one in articles.articles:
        yield Found(
            key=f"{file}#{one.part}" if one.part else file, title=one.title, blocks=one.blocks, url=url,
            language=one.language, audience=one.audience, validators=kept, changed=changed,
        )  # fmt: skip
    for reason in articles.left_out:
        yield Trouble(file, reason)
