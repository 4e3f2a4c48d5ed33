"""What sources contain (`show`), what is wrong with them (`check`), and what asking them costs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence

from bot.cli.terminal import SPANS, format_time
from bot.doctor.finding import Finding, Verdict, fail, ok, warn
from bot.errors import BadInput, ConfigError
from bot.evaluation.cases import Case
from bot.evaluation.search import find_articles
from bot.knowledge import rights
from bot.knowledge.base import WEB, check_libraries
from bot.knowledge.embedding import CHARACTERS
from bot.knowledge.sources.source import Found, SourceFailed, Trouble, failure_text, trouble_text
from bot.knowledge.sync import ASKS
from bot.runtime.opening import Workspace
from bot.storage.repositories.knowledge.articles import ArticleRow
from bot.storage.repositories.knowledge.passages import VECTOR_STORE
from bot.storage.store import Tx
from bot.storage.tables.knowledge import LEARNED, SOURCES, KnowledgeSource

MAX_SHOWN = 100  # pages of a source; `--page` shows any of them
MAX_NAMED = 5  # pages that are named with a problem
LATE = 2  # times that a sync may take its time, until it is late


# --- show -------------------------------------------------------------------------------------------------------------


async def show(work: Workspace, name: str, page: str) -> None:
    """Print what a source has, and its pages; with `page` (an address, a path or a title) its passages as they are
    stored. Raises `BadInput` where there is none.
    """
    base, say = work.knowledge, work.say
    source = await base.find(name)
    articles = await work.store.read(lambda tx: tx.articles.list_articles([source.id]))
    if page:
        await _show_page(work, page, articles)
        return
    model = base.embedder.name if base.embedder is not None else ""
    counted = await work.store.read(lambda tx: tx.articles.count_embedded(work.bot, model))
    passages = sum(one.passages for one in articles)
    state = "" if source.state == "active" else f" [{source.state}]"
    say(f"{source.name}: {source.kind} {source.address}{state}")
    embedded = f", {counted.get(source.id, 0)} with embeddings ({model})" if model else ""
    say(f"  {len(articles)} pages, {passages} passages{embedded}")
    read = f"read {format_time(source.synced)}" if source.synced else "never read"
    again = f"again every {_format_span(source.every)}" if source.every else "never by itself"
    tried = f", tried {format_time(source.tried)}" if source.tried and source.tried > (source.synced or 0.0) else ""
    say(f"  {read}{tried}, {again}")
    say(f"  may be read by {', '.join(source.audience) or 'nobody'}")
    say(f"  its embeddings have cost {work.format_price(source.paid)}")
    if source.error:
        say(f"  last problem: {failure_text('en', source.error)}")
    for one in articles[:MAX_SHOWN]:
        only = f"  (only {one.audience})" if one.audience else ""
        empty = f"  ({'; '.join(map(_explain, one.left_out))})" if one.left_out else ""
        say(f"{format_time(one.changed)[:10]}  {one.passages:>5}  {one.key}  {one.title}{only}{empty}")
    if (more := len(articles) - MAX_SHOWN) > 0:
        say(f"... and {more} more; --page ADDRESS shows one")


async def _show_page(work: Workspace, page: str, articles: Sequence[ArticleRow]) -> None:
    found = find_articles(Case(question="", page=page), articles, {})
    if not found:
        raise BadInput(
            f"The source has no page {page}: its address, its path or the end of it, or its title is needed."
        )
    passages = await work.store.read(lambda tx: tx.articles.list_passages(found))
    for article in (one for one in articles if one.id in found):
        work.say(f"{article.key}: {article.title}  {article.url}".rstrip())
        work.say(f"  of {format_time(article.changed)}, looked at {format_time(article.fetched)}")
        for one in (one for one in passages if one.article_id == article.id):
            where = f", page {one.page}" if one.page else f", #{one.anchor}" if one.anchor else ""
            work.say(f"\n{one.ordinal + 1}. {one.place}{where} ({len(one.sentences)} sentences)")
            work.say(one.text)


# --- check ------------------------------------------------------------------------------------------------------------


async def check(work: Workspace) -> bool:
    """Print what was found about each source, about the embeddings and about the index, with what to do next. Returns
    whether nothing is wrong.
    """
    findings = [one async for one in _findings(work)]
    for one in findings:
        work.say(f"{one.verdict:<4}  {one.leg:<12}  {one.text}" + (f"\n{'':20}{one.advice}" if one.advice else ""))
    return all(one.verdict is not Verdict.FAIL for one in findings)


async def _findings(work: Workspace) -> AsyncIterator[Finding]:
    try:
        check_libraries()
    except ConfigError as error:
        yield fail("libraries", str(error), "pip install 'govorun[knowledge]'")
        return
    sources = await work.store.read(lambda tx: tx.all(SOURCES, bot=work.bot))
    if not sources:
        yield warn("sources", "there is none", "govorun kb add FOLDER or ADDRESS")
    for source in sources:
        articles = await work.store.read(lambda tx, id_=source.id: tx.articles.list_articles([id_]))  # type: ignore[misc]
        audiences = {*source.audience, *(one.audience for one in articles if one.audience)}
        strangers = await work.store.read(lambda tx, some=audiences: _strangers(tx, work.bot, some))  # type: ignore[misc]
        found = [
            *_freshness(source, work.store.clock.time()),
            *_contents(source, articles),
            *_readers(source, strangers),
        ]
        if source.kind != LEARNED:
            found += await _reading(work, source, {one.key for one in articles})
        for one in found:
            yield one
        if not found:
            passages = sum(one.passages for one in articles)
            yield ok(source.name, f"{len(articles)} pages, {passages} passages, read {format_time(source.synced or 0)}")
    if sources:
        yield await _vectors(work)
        yield await _index(work)


def _freshness(source: KnowledgeSource, now: float) -> Iterator[Finding]:
    name, again = source.name, f"govorun kb sync {source.name}"
    if source.state == ASKS:
        yield fail(name, f"it asks: {failure_text('en', source.error)}", f"{again} removes them, or not")
    elif source.error:
        yield fail(name, f"the last sync failed: {failure_text('en', source.error)}", again)
    if source.synced is None:
        yield fail(name, "it was never read to its end", again)
    elif source.every and source.state == "active" and now - source.synced > LATE * source.every:
        text = f"it should be read every {_format_span(source.every)}, and was read last {format_time(source.synced)}"
        yield fail(name, text, "Is the bot running? It reads sources by itself.")
    if source.state == "paused":
        yield warn(name, "it is paused: what is known of it stays, and gets older", f"{again} goes on with it")


def _contents(source: KnowledgeSource, articles: Sequence[ArticleRow]) -> Iterator[Finding]:
    if source.synced is not None and not articles and source.kind != LEARNED:
        yield fail(source.name, "nothing of it is stored", f"govorun kb sync {source.name}")
    if source.kind == VECTOR_STORE:
        return  # its pages have passages once a question has found some
    if empty := [one.key for one in articles if not one.passages]:
        yield fail(source.name, f"pages without a passage: {_some(empty)}", "Is there text in them?")
    left = [(one.key, reason) for one in articles for reason in one.left_out]
    for kinds, advice in LEFT_OUT:
        if found := [f"{key} ({_explain(reason)})" for key, reason in left if reason.startswith(kinds)]:
            yield warn(source.name, f"not all is read: {_some(found)}", advice)


def _readers(source: KnowledgeSource, strangers: Sequence[str]) -> Iterator[Finding]:
    if not source.audience and source.kind != LEARNED:
        yield warn(source.name, "nobody may read it", f"govorun kb read {source.name} members (or everyone, ...)")
    for one in strangers:
        text = f"{one} is nobody: no such group, chat or person is known, so what is for it is read by nobody"
        yield fail(source.name, text, "govorun kb read, or the column audience of the table")


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


async def _reading(work: Workspace, source: KnowledgeSource, known: Collection[str]) -> list[Finding]:
    """What a sync would find now: whether it can be read, what of it can't, and what has changed."""
    again = f"govorun kb sync {source.name}"
    try:
        events = await work.knowledge.look(source)
    except SourceFailed as error:
        return [fail(source.name, f"it can't be read now: {error}", again)]
    found = []
    if troubles := [
        f"{one.key} ({_explain(one.reason)})" for one in events if isinstance(one, Trouble) and _matters(one)
    ]:
        found.append(fail(source.name, f"can't be read: {_some(troubles)}", "What is known of them stays."))
    gone = [] if source.kind == WEB else [f"{key} (gone)" for key in sorted({*known} - {one.key for one in events})]
    if changed := [one.key for one in events if isinstance(one, Found)] + gone:
        found.append(warn(source.name, f"new or changed since it was read: {_some(changed)}", again))
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


async def _vectors(work: Workspace) -> Finding:
    """How many texts have no embedding, and what these cost."""
    base = work.knowledge
    if base.embedder is None:
        return ok("embeddings", "off: passages are found by their words")
    wanted = await base.estimate()
    if not wanted.passages:
        return ok("embeddings", f"all passages have one ({base.embedder.name})")
    price = work.format_price(wanted.cost) if wanted.cost else "free of charge"
    text = f"{wanted.passages} texts have none ({base.embedder.name}): they are found by their words only"
    return fail("embeddings", text, f"govorun kb embed makes them: {price}")


async def _index(work: Workspace) -> Finding:
    """Whether the index, built anew, has all that the database has."""
    base = work.knowledge
    index = (await base.retrieval()).index
    await index.follow()

    def count(tx: Tx) -> tuple[int, Mapping[int, int]]:
        passages = sum(passages for _, passages in tx.sources.sizes(work.bot).values())
        return passages, tx.articles.count_embedded(work.bot, index.model)

    passages, embedded = await work.store.read(count)
    if (index.size, index.embedded) == (passages, sum(embedded.values())):
        return ok("index", f"{passages} passages can be found")
    text = f"{index.size} of {passages} passages, and {index.embedded} of {sum(embedded.values())} embeddings are in it"
    return fail("index", text, "govorun verify looks whether the database is damaged")


def _explain(reason: str) -> str:
    return trouble_text("en", reason)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def _format_span(seconds: int) -> str:
    unit = next(unit for unit, size in reversed(SPANS.items()) if seconds % size == 0 or unit == "m")
    return f"{seconds // SPANS[unit]}{unit}"


# --- questions --------------------------------------------------------------------------------------------------------


async def agree_to_questions(work: Workspace, texts: Collection[str]) -> bool:
    """Print what the embeddings of these questions cost, and return whether they may be bought. Embeddings that cost
    nothing may.
    """
    retrieval = await work.knowledge.retrieval()
    await retrieval.index.follow()
    tokens = int(sum(map(len, texts)) / CHARACTERS)
    cost = retrieval.vectors.meter.tariffs.questions.cost(tokens)
    if not cost or not retrieval.index.embedded or retrieval.vectors.embedder is None:
        return True
    price = work.format_price(cost)
    return work.agree(f"{len(texts)} questions to embed, about {tokens:,} tokens: {price}. Go on?")


async def tell_stores(work: Workspace, among: Collection[int] | None = None) -> None:
    """Print which of the sources `among` (None: all) are vector stores of AI Studio, of which the bot can look at a
    part only.
    """
    sources, sizes = await work.store.read(lambda tx: (tx.all(SOURCES, bot=work.bot), tx.sources.sizes(work.bot)))
    for source in sources:
        if source.kind == VECTOR_STORE and (among is None or source.id in among):
            work.say(
                f"{source.name} is a vector store, which is not asked here: of it only the "
                f"{sizes.get(source.id, (0, 0))[1]} passages are looked at that it has found for people so far."
            )
