"""`govorun kb`: the sources that the bot answers from."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.terminal import SPANS, TO_ALL, command, count, format_time
from bot.errors import BadInput, LimitReached

if TYPE_CHECKING:
    from bot.runtime.opening import Workspace
    from bot.storage.store import Tx
    from bot.storage.tables.knowledge import KnowledgeSource

app = typer.Typer(help="Keep the knowledge base: the sources that the bot answers from.", no_args_is_help=True)

MAX_TROUBLES = 20  # that are printed after a sync
MAX_SHOWN = 200  # characters of a passage that is found
PROGRESS = 5.0  # seconds between two lines

Name = Annotated[str, typer.Argument(help="The name of a source, as `govorun kb list` prints it.")]
Person = Annotated[int, typer.Option("--as", help="The id of a person: what she may read in her private chat.")]
Chat = Annotated[int, typer.Option("--in", help="The id of a group: what all of it may read.")]
Role = Annotated[str, typer.Option(help="The role of the person: user, operator, admin, owner.")]


# --- sources ----------------------------------------------------------------------------------------------------------


@command(app, "add", yes=TO_ALL)
async def add_source(
    work: Workspace,
    address: Annotated[str, typer.Argument(help="A folder, a file, or an address: page, sitemap.xml, git repository.")],
    name: Annotated[str, typer.Option(help="What it is called; if not given, made of the address.")] = "",
    audience: Annotated[
        str,
        typer.Option(
            help="Who may read it: everyone, members, operators, admins, owners, user:ID, chat:ID; none = nobody."
        ),
    ] = "",
    every: Annotated[
        str, typer.Option(help="How often the bot reads it again: 30m, 6h, 1d, 2w; none = never by itself.")
    ] = "",
    only: Annotated[str, typer.Option(help="Only pages whose path fits this pattern, such as '/help/*'.")] = "",
    most: Annotated[int, typer.Option(help="At most so many pages; 0 = 10,000.")] = 0,
    under: Annotated[str, typer.Option(help="Only this folder of a repository.")] = "",
    ref: Annotated[str, typer.Option(help="The branch or tag of a repository; none = its own choice.")] = "",
) -> None:
    """Add a source and read it. What its embeddings cost is said before the first one is bought."""
    from bot.features.knowledge.jobs import request_sync
    from bot.knowledge import rights
    from bot.storage.tables.knowledge import KnowledgeSource

    given = {"only": only, "most": most, "under": under, "ref": ref}
    wish = KnowledgeSource(
        name=name,
        kind="",
        address=address,
        every=parse_span(every),
        audience=rights.check_audience(audience.split(",")),
        options={key: value for key, value in given.items() if value},
    )
    source = await work.knowledge.add(wish)
    if source.every:
        await work.store.write(lambda tx: request_sync(tx, work.bot, source.id, after=source.every))
    work.say(f"{source.name}: {source.kind} {source.address}")
    if not source.audience:
        work.say(f"Nobody may read it yet: govorun kb read {source.name} members (or everyone, admins, user:ID).")
    await sync(work, source.name)


@command(app, "list")
async def list_sources(work: Workspace) -> None:
    """List the sources: size, when they were read last, who may read them, what is wrong with them."""
    from bot.knowledge.sources.source import failure_text
    from bot.storage.repositories.knowledge.passages import VECTOR_STORE
    from bot.storage.tables.knowledge import SOURCES

    sources, sizes = await work.store.read(lambda tx: (tx.all(SOURCES, bot=work.bot), tx.sources.sizes(work.bot)))
    for source in sources:
        articles, passages = sizes.get(source.id, (0, 0))
        age = format_time(source.synced) if source.synced else "never read"
        who = ", ".join(source.audience) or "nobody"
        state = "" if source.state == "active" else f"  [{source.state}]"
        size = f"{count(articles, 'article'):>15} {count(passages, 'passage'):>16}"
        work.say(f"{source.name:<20} {source.kind:<12} {size}  {age}  {who}{state}")
        if source.kind == VECTOR_STORE:
            work.say("  AI Studio searches it at each question: counted is what was found so far")
        if source.error:
            work.say(f"  {failure_text('en', source.error)}")
    if not sources:
        work.say("There is no source yet: govorun kb add FOLDER or ADDRESS.")


@command(app, "show")
async def show_source(
    work: Workspace,
    name: Name,
    page: Annotated[str, typer.Option(help="An address, path or title: show its passages as they are stored.")] = "",
) -> None:
    """Show a source: its pages and passages, its age, who may read it, its last problem, what it has cost."""
    from bot.cli.kb_inspect import show

    await show(work, name, page)


@command(app, "check")
async def check_sources(work: Workspace) -> bool:
    """Look for what is wrong with the sources, their embeddings and the index, and say what to do next (exit code 1 if
    something is).
    """
    from bot.cli.kb_inspect import check

    return await check(work)


@command(app, "sync", yes=TO_ALL)
async def sync_source(
    work: Workspace, name: Annotated[str, typer.Argument(help="The name of a source; all of them if not given.")] = ""
) -> bool:
    """Read a source again, and store what has changed (exit code 1 if one of several can't be read)."""
    from bot.knowledge.sources.source import SourceFailed
    from bot.storage.tables.knowledge import SOURCES

    if name:
        await sync(work, name)
        return True
    is_fine = True
    sources = await work.store.read(lambda tx: tx.all(SOURCES, bot=work.bot))
    for source in sources:
        try:
            if source.state != "paused":
                await sync(work, source.name)
        except (SourceFailed, BadInput) as error:
            work.say(f"{source.name}: {error}")
            is_fine = False
    return is_fine


async def sync(work: Workspace, name: str) -> None:
    """Read a source again, and go on with it if it was paused. Before articles are deleted, and before embeddings are
    bought, the person at the terminal is asked.
    """
    from bot.knowledge.sources.source import trouble_text

    base = work.knowledge
    source = await base.find(name)
    if source.state == "paused":
        await work.store.write(lambda tx: _resume(tx, work.bot, source))
    began = time.monotonic()
    report = await base.sync(source)
    if report.held:
        if work.agree(f"{name}: {count(report.held, 'passage')} gone at the source. Remove here, too?"):
            report = await base.sync(source, agreed=True)
        else:
            work.say("They stay, and the source asks again at its next sync.")
    work.say(
        f"{source.name}: {count(report.new, 'article')} read, {report.unchanged} as they were, "
        f"{report.gone} gone; {count(report.added, 'passage')} new, {report.ended} ended; "
        f"{time.monotonic() - began:.1f} s"
    )
    if report.equal:
        work.say(f"  {report.equal} more have the text of another one, which was read once")
    for trouble in report.troubles[:MAX_TROUBLES]:
        work.say(f"  {trouble.key}: {trouble_text('en', trouble.reason)}")
    if (more := len(report.troubles) - MAX_TROUBLES) > 0:
        work.say(f"  ... and {more} more")
    await embed_sources(work)


def _resume(tx: Tx, bot: int, source: KnowledgeSource) -> None:
    from bot.features.knowledge.jobs import request_sync

    tx.change(source, state="active")
    if source.every:
        request_sync(tx, bot, source.id, after=source.every)


@command(app, "embed", yes=TO_ALL)
async def embed_sources(work: Workspace) -> None:
    """Buy the embeddings that are missing."""
    from bot.billing.budget import duration

    wanted = await work.knowledge.estimate()
    if not wanted.passages:
        return
    price = work.format_price(wanted.cost) if wanted.cost else "free of charge"
    how_long = f", about {duration('en', wanted.seconds)}" if wanted.seconds else ""
    line = f"{count(wanted.passages, 'passage')} to embed, about {wanted.tokens:,} tokens: {price}{how_long}."
    if wanted.cost and not work.agree(f"{line} Go on?"):
        found = "by their former embeddings" if wanted.again else "by their words"
        work.say(f"Until then they are found {found}: govorun kb embed asks again.")
        return
    work.say(line)
    try:
        await work.knowledge.embed(wanted.cost, _countdown(work))
    except LimitReached as error:
        raise BadInput(
            f"no embedding is bought: {error} It is the limit of the whole bot (DAILY_MONEY, MONTHLY_MONEY)."
        ) from None
    if (await work.knowledge.estimate()).passages:
        work.say("The rest costs more than was said: govorun kb embed asks again.")


def _countdown(work: Workspace) -> Callable[[int], None]:
    last = time.monotonic()

    def tell(left: int) -> None:
        nonlocal last
        if left and time.monotonic() - last >= PROGRESS:
            last = time.monotonic()
            work.say(f"{left} passages left")

    return tell


@command(app, "read")
async def set_readers(
    work: Workspace,
    name: Name,
    audience: Annotated[
        str,
        typer.Argument(
            help="Who may read it: everyone, members, operators, admins, owners, user:ID, chat:ID, with commas; "
            "nobody = none of them."
        ),
    ],
) -> None:
    """Say who may read a source."""
    from bot.knowledge import rights

    groups = rights.check_audience([] if audience == "nobody" else audience.split(","))
    source = await work.knowledge.find(name)
    await work.store.write(lambda tx: tx.change(source, audience=groups))
    work.say(f"{name} may be read by {', '.join(groups) or 'nobody'}.")


@command(app, "pause")
async def pause_source(work: Workspace, name: Name) -> None:
    """Read a source no more by itself; what is known of it stays. `sync` goes on with it."""
    source = await work.knowledge.find(name)
    await work.store.write(lambda tx: tx.change(source, state="paused"))
    work.say(f"{name} is paused: what is known of it stays. govorun kb sync {name} goes on with it.")


@command(app, "rename")
async def rename_source(work: Workspace, name: Name, to: Annotated[str, typer.Argument(help="The new name.")]) -> None:
    """Give a source another name."""
    await work.knowledge.rename(await work.knowledge.find(name), to)
    work.say(f"{name} is {to} now.")


@command(app, "remove", yes=TO_ALL)
async def remove_source(work: Workspace, name: Name) -> None:
    """Forget a source. Quotes in earlier answers can still be shown for a while."""
    source = await work.knowledge.find(name)
    sizes = await work.store.read(lambda tx: tx.sources.sizes(work.bot))
    articles, passages = sizes.get(source.id, (0, 0))
    if work.agree(f"Remove {name} with its {count(articles, 'article')} ({count(passages, 'passage')})?"):
        await work.store.write(lambda tx: tx.sources.remove_source(source.id))
        work.say(f"{name} is removed.")


def parse_span(text: str) -> int:
    """The seconds of "30m", "6h", "1d" or "2w"; 0 for "". Raises `BadInput`."""
    if not text:
        return 0
    found = re.fullmatch(r"(\d{1,4})\s*([mhdw])", text.strip().lower())
    if found is None or not int(found[1]):
        raise BadInput(f"--every {text}: a time like 30m, 6h, 1d or 2w is expected")
    return int(found[1]) * SPANS[found[2]]


# --- search -----------------------------------------------------------------------------------------------------------


@command(app, "search")
async def search_sources(work: Workspace, question: str, person: Person = 0, chat: Chat = 0, role: Role = "") -> None:
    """Show what a question finds, with scores; without --as and --in what everyone may read."""
    from bot.billing.metering import BillTo
    from bot.types import Address

    base, groups = work.knowledge, _groups(work.bot, person, chat, role)
    nobody = BillTo(Address("telegram", work.bot, 0), 0, "kb")
    found = await base.search(question, groups, nobody)  # the first one builds the index
    began = time.perf_counter()
    found = await base.search(question, groups, nobody)
    took = 1_000 * (time.perf_counter() - began)
    for hit in found.hits:
        passage, by_store = hit.passage, f"store {hit.store:.2f}  " if hit.store else ""
        scores = f"{hit.score:.2f}  {by_store}words {hit.words:.1f}  cosine {hit.cosine:.2f}"
        work.say(f"{scores}  {passage.place or passage.title}")
        work.say("      " + " ".join(passage.text[:MAX_SHOWN].split()))
    total = f"{count(len(found.hits), 'passage')}, {took:.0f} ms"
    work.say(total if found.hits else "Nothing that they may read fits.")


@command(app, "eval", yes=TO_ALL)
async def evaluate_search(
    work: Workspace,
    file: Annotated[
        Path, typer.Argument(help="A CSV with the columns question and page or text: what should be found.")
    ],
    person: Person = 0,
    chat: Chat = 0,
    role: Role = "",
) -> None:
    """Say how often the search finds what it should; without --as and --in in what everyone may read."""
    from bot.cli.kb_eval import evaluate

    await evaluate(work, file, _groups(work.bot, person, chat, role))


@command(app, "calibrate", yes=TO_ALL)
async def calibrate_gate(
    work: Workspace,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A CSV with the columns question and page (empty: a question about something else); if not given, "
            "questions of FAQ tables, headings and learned answers."
        ),
    ] = None,
    standard: Annotated[bool, typer.Option("--standard", help="Use the gate again that Govorun came with.")] = False,
) -> None:
    """Fit, on your own questions, the filter that keeps out questions about something else; say how often it errs."""
    from bot.knowledge.base import check_libraries

    check_libraries()
    from bot.cli import kb_calibrate

    if standard:
        await kb_calibrate.store_gate(work, None)
        work.say("The gate that Govorun came with is used from the next question on.")
    else:
        await kb_calibrate.calibrate(work, file)


def _groups(bot: int, person: int, chat: int, role: str) -> frozenset[str]:
    from bot.knowledge.rights import groups_of
    from bot.types import Address

    return groups_of(role, person, Address("telegram", bot, chat or person), private=not chat)


# --- what is missing --------------------------------------------------------------------------------------------------


@command(app, "gaps")
async def show_gaps(
    work: Workspace,
    csv: Annotated[str, typer.Option(help="Write them into this file, with a column for each count.")] = "",
) -> None:
    """List what people asked in the last 7 days and the sources did not answer, the most frequent first."""
    from bot.knowledge.base import check_libraries

    check_libraries()
    from bot.knowledge.learning.clusters import WEEK, clusters, table

    now = work.clock.time()
    found = clusters(await work.store.read(lambda tx: tx.gaps.list_open(work.bot, now - 2 * WEEK)), now)
    if csv:
        await asyncio.to_thread(Path(csv).write_text, table(found), "utf-8-sig")
        work.say(f"{len(found)} questions in {csv}")
        return
    for one in found:
        work.say(f"{one.now:>5} {one.trend:>5}  {one.central.question}")
    if not found:
        work.say("In the last 7 days the sources had an answer to every question.")


@command(app, "stale")
async def show_stale(work: Workspace) -> None:
    """List quotes of answers that no longer stand in their source: gone, asked (admins decide), told, left."""
    quotes = await work.store.read(lambda tx: tx.quotes.list_stale(work.bot))
    counts = Counter((one.title, " ".join(one.text.split()), one.stale) for one in quotes)
    for (title, text, state), times in counts.most_common():
        work.say(f"{times:>5}  {state:<5}  {title}: {text[:MAX_SHOWN]}")
    if not quotes:
        work.say("All that answers quote stands in the sources.")
