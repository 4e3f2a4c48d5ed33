"""Opens a source by its address: `open_source`. The address alone says of which kind it is (`kind_of`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bot.ai import VectorStores
from bot.clock import Clock
from bot.concurrency.child_pool import ChildPool
from bot.http.guarded import GuardedFetcher
from bot.knowledge.sources.files import FileReader
from bot.knowledge.sources.source import Reader, SourceLimits, failure
from bot.storage.repositories.knowledge.passages import VECTOR_STORE

OPTIONS = {"folder": (), "web": ("only",), "git": ("under", "ref"), VECTOR_STORE: ()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTools:
    """What sources are read with. `cache` is a folder for clones of repositories; `stores` None: there is no key."""

    files: ChildPool
    fetcher: GuardedFetcher
    clock: Clock
    cache: Path
    limits: SourceLimits = field(default_factory=SourceLimits)
    stores: VectorStores | None = None


def kind_of(address: str) -> str:
    """The kind of a source: "folder" (also a file), "web" (a page or sitemap), "git" or "vector-store"."""
    parts = urlsplit(address)
    if parts.scheme == VECTOR_STORE:
        return VECTOR_STORE
    if parts.scheme in ("file", "git", "ssh") or parts.path.endswith(".git") or address.startswith("git@"):
        return "git"
    return "web" if parts.scheme in ("http", "https") else "folder"


def open_source(address: str, tools: SourceTools, *, only: str = "", under: str = "", ref: str = "") -> Reader:
    """The source at an address: a path, an address of a page or sitemap, one of a repository (it ends in .git).

    Open it anew for each sync: a site's robots.txt is asked once. `only` is for sitemaps, `under` and `ref` are for
    repositories. Raises `SourceFailed` for what can't be read.
    """
    kind = kind_of(address)
    given = {name for name, value in (("only", only), ("under", under), ("ref", ref)) if value}
    if unused := sorted(given.difference(OPTIONS[kind])):
        raise failure("option", option=f"--{unused[0]}", address=address, kind=kind)
    files = FileReader(tools.files, tools.limits)
    if kind == "web":
        from bot.knowledge.sources.site import Site
        from bot.knowledge.sources.web import WebPages

        return WebPages(address, Site(tools.fetcher, tools.clock), files, tools.limits, only=only)
    if kind == "git":
        from bot.knowledge.sources.git import GitRepository

        return GitRepository(
            address, files=files, limits=tools.limits, fetcher=tools.fetcher, cache=tools.cache, under=under, ref=ref
        )
    if kind == VECTOR_STORE:
        from bot.knowledge.sources.vector_store import VectorStore

        return VectorStore(address, tools.stores, tools.limits)
    from bot.knowledge.sources.folder import Folder

    return Folder(Path(address).expanduser(), files, tools.limits)
