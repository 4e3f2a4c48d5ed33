"""`govorun kb show` prints what a source contains, `govorun kb check` what is wrong with the sources. Begin with `show`
and `check`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.billing.pricing import shown
from bot.cli.knowledge import SPANS, KnowledgeCommand, date, told
from bot.errors import BadInput, ConfigError
from bot.knowledge import rights
from bot.knowledge.base import WEB, check_libraries
from bot.knowledge.search.cases import Case, gold_articles
from bot.knowledge.sources.source import Found, SourceFailed, Trouble, failure_text
from bot.knowledge.sync import ASKS
from bot.storage.repositories.knowledge.articles import ArticleRow
from bot.storage.repositories.knowledge.passages import VECTOR_STORE
from bot.storage.repositories.knowledge.sources import LEARNED, KnowledgeSource
from bot.storage.store import Tx

MOST_SHOWN = 100  # pages of a source; `--page` shows any of them
MOST_NAMED = 5  # pages that are named with a problem
LATE = 2  # times that a sync may take its time, until it is late


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: what was looked at, and what to do about it ("" if all is well). `is_wrong` makes the
    command exit with status 1.
    """

    about: str
    text: str
    advice: str = ""
    is_wrong: bool = False


# --- show -------------------------------------------------------------------------------------------------------------


async def show(command: KnowledgeCommand, name: str, page: str) -> None:
    """Print what a source has, and its pages; with `page` (an address, a path or a title) its passages as they are
    stored. Raises `BadInput` where there is none.
    """
    base, say = command.base, command.say
    source = await base.find(name)
    articles = await base.store.read(lambda tx: tx.articles.list_articles([source.id]))
    if page:
        await _show_page(command, page, articles)
        return
    model = base.embedder.name if base.embedder is not None else ""
    counted = await base.store.read(lambda tx: tx.articles.count_embedded(base.bot, model))
    passages = sum(one.passages for one in articles)
    state = "" if source.state == "active" else f" [{source.state}]"
    say(f"{source.name}: {source.kind} {source.address}{state}")
    embedded = f", {counted.get(source.id, 0)} with embeddings ({model})" if model else ""
    say(f"  {len(articles)} pages, {passages} passages{embedded}")
    read = f"read {date(source.synced)}" if source.synced else "never read"
    again = f"again every {_span(source.every)}" if source.every else "never by itself"
    tried = f", tried {date(source.tried)}" if source.tried and source.tried > (source.synced or 0.0) else ""
    say(f"  {read}{tried}, {again}")
    say(f"  may be read by {', '.join(source.audience) or 'nobody'}")
    say(f"  its embeddings have cost {shown('en', source.paid, command.currency)}")
    if source.error:
        say(f"  last problem: {failure_text('en', source.error)}")
    for one in articles[:MOST_SHOWN]:
        only = f"  (only {one.audience})" if one.audience else ""
        empty = f"  ({'; '.join(map(told, one.left_out))})" if one.left_out else ""
        say(f"{date(one.changed)[:10]}  {one.passages:>5}  {one.key}  {one.title}{only}{empty}")
    if (more := len(articles) - MOST_SHOWN) > 0:
        say(f"... and {more} more; --page ADDRESS shows one")


async def _show_page(command: KnowledgeCommand, page: str, articles: Sequence[ArticleRow]) -> None:
    found = gold_articles(Case("", page), articles, {})
    if not found:
        raise BadInput(
            f"The source has no page {page}: its address, its path or the end of it, or its title is needed."
        )
    passages = await command.base.store.read(lambda tx: tx.articles.list_passages(found))
    for article in (one for one in articles if one.id in found):
        command.say(f"{article.key}: {article.title}  {article.url}".rstrip())
        command.say(f"  of {date(article.changed)}, looked at {date(article.fetched)}")
        for one in (one for one in passages if one.article_id == article.id):
            where = f", page {one.page}" if one.page else f", #{one.anchor}" if one.anchor else ""
            command.say(f"\n{one.ordinal + 1}. {one.place}{where} ({len(one.sentences)} sentences)")
            command.say(one.text)


# --- check ------------------------------------------------------------------------------------------------------------


async def check(command: KnowledgeCommand) -> bool:
    """Print what was found about each source, about the embeddings and about the index, with what to do next. Returns
    whether nothing is wrong.
    """
    findings = [one async for one in _findings(command)]
    for one in findings:
        verdict = "FAIL" if one.is_wrong else "warn" if one.advice else "ok  "
        command.say(f"{verdict}  {one.about:<12}  {one.text}" + (f"\n{'':20}{one.advice}" if one.advice else ""))
    return not any(one.is_wrong for one in findings)


async def _findings(command: KnowledgeCommand) -> AsyncIterator[Finding]:
    base = command.base
    try:
        check_libraries()
    except ConfigError as error:
        yield Finding("libraries", str(error), "pip install 'govorun[knowledge]'", is_wrong=True)
        return
    sources = await base.store.read(lambda tx: tx.sources.list_sources(base.bot))
    if not sources:
        yield Finding("sources", "there is none", "govorun kb add FOLDER or ADDRESS")
    for source in sources:
        articles = await base.store.read(lambda tx, id_=source.id: tx.articles.list_articles([id_]))  # type: ignore[misc]
        audiences = {*source.audience, *(one.audience for one in articles if one.audience)}
        strangers = await base.store.read(lambda tx, some=audiences: _strangers(tx, base.bot, some))  # type: ignore[misc]
        found = [
            *_freshness(source, base.store.clock.time()),
            *_contents(source, articles),
            *_readers(source, strangers),
        ]
        if source.kind != LEARNED:
            found += await _reading(command, source, {one.key for one in articles})
        for one in found:
            yield one
        if not found:
            passages = sum(one.passages for one in articles)
            yield Finding(source.name, f"{len(articles)} pages, {passages} passages, read {date(source.synced or 0)}")
    if sources:
        yield await _vectors(command)
        yield await _index(command)


def _freshness(source: KnowledgeSource, now: float) -> Iterator[Finding]:
    name, again = source.name, f"govorun kb sync {source.name}"
    if source.state == ASKS:
        yield Finding(
            name, f"it asks: {failure_text('en', source.error)}", f"{again} removes them, or not", is_wrong=True
        )
    elif source.error:
        yield Finding(name, f"the last sync failed: {failure_text('en', source.error)}", again, is_wrong=True)
    if source.synced is None:
        yield Finding(name, "it was never read to its end", again, is_wrong=True)
    elif source.every and source.state == "active" and now - source.synced > LATE * source.every:
        text = f"it should be read every {_span(source.every)}, and was read last {date(source.synced)}"
        yield Finding(name, text, "Is the bot running? It reads sources by itself.", is_wrong=True)
    if source.state == "paused":
        yield Finding(name, "it is paused: what is known of it stays, and gets older", f"{again} goes on with it")


def _contents(source: KnowledgeSource, articles: Sequence[ArticleRow]) -> Iterator[Finding]:
    if source.synced is not None and not articles and source.kind != LEARNED:
        yield Finding(source.name, "nothing of it is stored", f"govorun kb sync {source.name}", is_wrong=True)
    if source.kind == VECTOR_STORE:
        return  # its pages have passages once a question has found some
    if empty := [one.key for one in articles if not one.passages]:
        yield Finding(source.name, f"pages without a passage: {_some(empty)}", "Is there text in them?", is_wrong=True)
    left = [(one.key, reason) for one in articles for reason in one.left_out]
    for kinds, advice in LEFT_OUT:
        if found := [f"{key} ({told(reason)})" for key, reason in left if reason.startswith(kinds)]:
            yield Finding(source.name, f"not all is read: {_some(found)}", advice)


def _readers(source: KnowledgeSource, strangers: Sequence[str]) -> Iterator[Finding]:
    if not source.audience and source.kind != LEARNED:
        yield Finding(source.name, "nobody may read it", f"govorun kb read {source.name} members (or everyone, ...)")
    for one in strangers:
        text = f"{one} is nobody: no such group, chat or person is known, so what is for it is read by nobody"
        yield Finding(source.name, text, "govorun kb read, or the column audience of the table", is_wrong=True)


def _strangers(tx: Tx, bot: int, groups: Iterable[str]) -> list[str]:
    """Those of the groups of an audience to which nobody belongs."""
    chats = tx.members.list_allowed_groups(bot)
    found = []
    for group in sorted(groups):
        kind, _, id_ = group.partition(":")
        known = rights.is_group(group) and (
            kind not in ("user", "chat")
            or (int(id_) in chats if kind == "chat" else bool(tx.members.read_names(bot, [int(id_)])))
        )
        if not known:
            found.append(group)
    return found


async def _reading(command: KnowledgeCommand, source: KnowledgeSource, known: Collection[str]) -> list[Finding]:
    """What a sync would find now: whether it can be read, what of it can't, and what has changed."""
    again = f"govorun kb sync {source.name}"
    try:
        events = await command.base.look(source)
    except SourceFailed as error:
        return [Finding(source.name, f"it can't be read now: {error}", again, is_wrong=True)]
    found = []
    if troubles := [f"{one.key} ({told(one.reason)})" for one in events if isinstance(one, Trouble) and _matters(one)]:
        found.append(
            Finding(source.name, f"can't be read: {_some(troubles)}", "What is known of them stays.", is_wrong=True)
        )
    gone = [] if source.kind == WEB else [f"{key} (gone)" for key in sorted({*known} - {one.key for one in events})]
    if changed := [one.key for one in events if isinstance(one, Found)] + gone:
        found.append(Finding(source.name, f"new or changed since it was read: {_some(changed)}", again))
    return found


def _matters(trouble: Trouble) -> bool:
    """Whether something is wrong: equal articles are none, and what was left out of a page is named elsewhere."""
    return not trouble.is_gone and not trouble.is_partial


LEFT_OUT = (
    ("no_text", "They are pictures: recognise their text (OCR)."),
    (("hidden_", "notes"), "READ_HIDDEN=true reads what authors have hidden."),
    ("columns", "Put cells with the delimiter in them into quotes."),
    (("struck", "comments", "embedded", "drawings"), "If it matters, write it into the text of the file."),
)


async def _vectors(command: KnowledgeCommand) -> Finding:
    """How many texts have no embedding, and what these cost."""
    base = command.base
    if base.embedder is None:
        return Finding("embeddings", "off: passages are found by their words")
    wanted = await base.estimate()
    if not wanted.passages:
        return Finding("embeddings", f"all passages have one ({base.embedder.name})")
    price = shown("en", wanted.cost, command.currency) if wanted.cost else "free of charge"
    text = f"{wanted.passages} texts have none ({base.embedder.name}): they are found by their words only"
    return Finding("embeddings", text, f"govorun kb embed makes them: {price}", is_wrong=True)


async def _index(command: KnowledgeCommand) -> Finding:
    """Whether the index, built anew, has all that the database has."""
    base = command.base
    index = (await base.retrieval()).index
    await index.follow()

    def count(tx: Tx) -> tuple[int, Mapping[int, int]]:
        passages = sum(passages for _, passages in tx.sources.sizes(base.bot).values())
        return passages, tx.articles.count_embedded(base.bot, index.model)

    passages, embedded = await base.store.read(count)
    if (index.size, index.embedded) == (passages, sum(embedded.values())):
        return Finding("index", f"{passages} passages can be found")
    text = f"{index.size} of {passages} passages, and {index.embedded} of {sum(embedded.values())} embeddings are in it"
    return Finding("index", text, "govorun verify looks whether the database is damaged", is_wrong=True)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _span(seconds: int) -> str:
    unit = next(unit for unit, size in reversed(SPANS.items()) if seconds % size == 0 or unit == "m")
    return f"{seconds // SPANS[unit]}{unit}"
