"""Sites as sources: what is read of them, and what they can do to the bot when they misbehave."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bench.knowledge.large import pdf
from bot.concurrency.child_pool import ChildPool
from bot.http.guarded import GuardedFetcher
from bot.knowledge.site_files import page_key
from bot.knowledge.sources.files import FileReader
from bot.knowledge.sources.site import Site
from bot.knowledge.sources.source import Event, Found, SourceFailed, SourceLimits, Trouble
from bot.knowledge.sources.web import WebPages, says_missing
from tests.knowledge.test_folder import summary
from tests.support.table import table
from tests.support.virtual import VirtualClock

Handler = Callable[[web.Request], web.StreamResponse]
LIMITS = SourceLimits()


@dataclass
class Web:
    """A site on loopback: its pages by path, and what was asked of it, at which second."""

    clock: VirtualClock
    files: ChildPool
    fetcher: GuardedFetcher
    url: str = ""
    pages: dict[str, Handler] = field(default_factory=dict)
    asked: list[tuple[str, float]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, self.clock.now))
        found = self.pages.get(request.path_qs) or self.pages.get(request.path)
        return found(request) if found else web.Response(status=404)

    def add(self, path: str, text: str, kind: str = "text/html", **headers: str) -> None:
        """A page that never changes, and can be asked whether it did."""
        tag = f'"{hash(text)}"'
        given = {"etag": tag, **{name.replace("_", "-"): value for name, value in headers.items()}}

        def answer(request: web.Request) -> web.StreamResponse:
            if request.headers.get("if-none-match") == tag:
                return web.Response(status=304)
            return web.Response(text=text, content_type=kind, headers=given)

        self.pages[path] = answer

    def sitemap(self, *paths: str, at: str = "/sitemap.xml", index: bool = False) -> None:
        outer, inner = ("sitemapindex", "sitemap") if index else ("urlset", "url")
        places = "".join(
            f"<{inner}><loc>{path if '://' in path else self.url + path}</loc></{inner}>" for path in paths
        )
        self.add(at, f'<?xml version="1.0"?><{outer}>{places}</{outer}>', "application/xml")

    def source(self, path: str = "/sitemap.xml", limits: SourceLimits = LIMITS, **options: str) -> WebPages:
        site = Site(self.fetcher, self.clock)
        return WebPages(self.url + path, site, FileReader(self.files, limits), limits, **options)

    async def sync(
        self, source: WebPages, known: Mapping[str, Mapping[str, str]] | None = None
    ) -> tuple[dict[str, str], dict[str, Mapping[str, str]]]:
        """What became of each article, by its path; and what is known afterwards."""
        events = [event async for event in source.articles(known or {})]
        short = {key.removeprefix(self.url): what.replace(self.url, "") for key, what in summary(events).items()}
        return short, {event.key: event.validators for event in events if not isinstance(event, Trouble)}

    async def found(self, path: str) -> Sequence[Event]:
        return [event async for event in self.source(path).articles({})]

    async def failure(self, source: WebPages, known: Mapping[str, Mapping[str, str]] | None = None) -> str:
        with pytest.raises(SourceFailed) as caught:
            await self.sync(source, known)
        return str(caught.value)

    def paths(self) -> list[str]:
        """What was asked, without robots.txt."""
        return [path for path, _ in self.asked if path != "/robots.txt"]


@pytest.fixture
async def site() -> AsyncIterator[Web]:
    clock, files, fetcher = VirtualClock(), ChildPool(), GuardedFetcher(allow_private=["127.0.0.1/32"])
    found = Web(clock, files, fetcher)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        found.url = str(server.make_url("")).rstrip("/")
        yield found
        await fetcher.close()
    await files.close()


def page(title: str, text: str = "", head: str = "") -> str:
    return f"<html><head>{head}</head><body><main><h1>{title}</h1><p>{text or 'О ' + title}</p></main></body></html>"


def redirect(to: str) -> Handler:
    return lambda request: web.Response(status=302, headers={"location": to})


# --- reading ----------------------------------------------------------------------------------------------------------


async def test_a_page_is_read_once_and_asked_only_whether_it_has_changed(site: Web) -> None:
    site.add("/help", page("Возврат", "Вернуть можно за 14 дней"), last_modified="Thu, 12 Mar 2026 10:00:00 GMT")
    (event,) = await site.found("/help#part")
    assert isinstance(event, Found)
    assert (event.title, event.url, event.language) == ("Возврат", f"{site.url}/help", "ru")
    assert event.changed == 1773309600.0
    known = {event.key: event.validators}
    assert (await site.sync(site.source("/help"), known))[0] == {"/help": "="}
    site.add("/help", page("Возврат", "Вернуть можно за 14 дней").replace("<main>", "<!-- made at 10:01 --><main>"))
    again, known = await site.sync(site.source("/help"), known)
    assert again == {"/help": "="}, "what a reader sees is as it was"
    site.add("/help", page("Обмен"))
    assert (await site.sync(site.source("/help"), known))[0] == {"/help": "Обмен"}


async def test_a_sitemap_lists_what_is_read_one_page_a_second_and_robots_txt_is_kept(site: Web) -> None:
    site.pages["/robots.txt"] = lambda request: web.Response(text="User-agent: *\nDisallow: /help/secret*\n")
    site.sitemap("/help/a", "/help/b?x=1&amp;y=2", "/help/secret-plan", "/news/c", "/help/a#again")
    for path in ("/help/a", "/help/b", "/help/secret-plan", "/news/c"):
        site.add(path, page(path))
    assert (await site.sync(site.source(only="/help/*")))[0] == {
        "/help/a": "/help/a", "/help/b?x=1&y=2": "/help/b", "/help/secret-plan": "!robots",
    }  # fmt: skip
    assert site.asked == [("/robots.txt", 0.0), ("/sitemap.xml", 1.0), ("/help/a", 2.0), ("/help/b", 3.0)]


async def test_a_site_may_ask_for_a_longer_pause(site: Web) -> None:
    site.pages["/robots.txt"] = lambda request: web.Response(text="User-agent: govorun\nCrawl-delay: 4\n")
    site.sitemap("/a", "/b")
    site.add("/a", page("a"))
    site.add("/b", page("b"))
    await site.sync(site.source())
    assert [second for _, second in site.asked] == [0.0, 1.0, 5.0, 9.0]


async def test_a_sitemap_may_list_sitemaps_be_packed_or_be_plain_text(site: Web) -> None:
    site.sitemap("/one.xml.gz", "/two.txt", "https://elsewhere.example/s.xml", index=True)
    packed = gzip.compress(f"<urlset><url><loc><![CDATA[{site.url}/a]]></loc></url></urlset>".encode())
    site.pages["/one.xml.gz"] = lambda request: web.Response(body=packed, content_type="application/x-gzip")
    site.add("/two.txt", f"{site.url}/b\n{site.url}/c.md\n", "text/plain")
    site.add("/a", page("a"))
    site.add("/b", page("b"))
    site.add("/c.md", "# c\n\ntext", "text/markdown")
    assert (await site.sync(site.source()))[0] == {"/a": "a", "/b": "b", "/c.md": "c"}


# --- sites that misbehave ---------------------------------------------------------------------------------------------


async def test_each_page_that_can_not_be_read_is_a_line_with_its_reason(site: Web) -> None:
    site.add("/login/form", page("Вход", head="") + "<form><input type=password></form>")
    site.add("/soft", page("404: не найдено", "Страница не найдена"), "text/html")
    site.add("/film", "x", "video/mp4")
    site.add("/app", "<script>draw()</script><div id=root></div>")
    site.pages |= {
        "/members": redirect("/login/form"), "/round": redirect("/round"), "/out": redirect("http://127.0.0.2/"),
        "/meta": redirect("http://169.254.169.254/latest/meta-data"), "/closed": lambda r: web.Response(status=401),
        "/gone": lambda r: web.Response(status=410), "/file": redirect("file:///etc/passwd"),
        "/huge": lambda r: web.Response(body=b"x" * 30_000, content_type="text/html"),
    }  # fmt: skip
    site.sitemap("/members", "/soft", "/film", "/app", "/round", "/out", "/meta", "/closed", "/gone", "/file", "/huge",
                 "https://other.example/a", "/a/b/a/b/a/b", "/" + "x/" * 13, "/c?" + "d" * 500)  # fmt: skip
    source = site.source(limits=SourceLimits(file=20_000))
    assert list((await site.sync(source))[0].items()) == [
        ("/members", "!login"), ("/soft", "!not_found"), ("/film", "!type"), ("/app", "!empty"),
        ("/round", "!redirects"), ("/out", "!forbidden"), ("/meta", "!forbidden"), ("/closed", "!login"),
        ("/gone", "!not_found"), ("/file", "!redirects"), ("/huge", "!too_long"),
        ("https://other.example/a", "!other_site"), ("/a/b/a/b/a/b", "!trap"), ("/" + "x/" * 13, "!trap"),
        ("/c?" + "d" * 500, "!trap"),
    ]  # fmt: skip


async def test_one_text_under_many_addresses_is_read_once(site: Web) -> None:
    canonical = '<link rel="canonical" href="/a">'
    site.add("/a", page("a", "one text", canonical))
    site.add("/a?from=mail", page("a", "one text, and who sent you", canonical))
    site.add("/b", page("b", "another text", '<link rel="canonical" href="/">'))
    site.add("/c", page("c", "a third text", '<link rel="canonical" href="/">'))
    site.pages["/old"] = redirect("/a")
    for number in range(5):
        site.add(f"/copy{number}", page("b", "another text"))
    site.sitemap("/a", "/a?from=mail", "/old", "/b", "/c", *(f"/copy{number}" for number in range(5)))
    first, known = await site.sync(site.source())
    assert first == {
        "/a": "a", "/a?from=mail": "!same:/a", "/old": "!same:/a", "/b": "b", "/c": "c",
        **{f"/copy{number}": "!same:/b" for number in range(5)},
    }  # fmt: skip
    assert (await site.sync(site.source(), known))[0] == first | {"/a": "=", "/b": "=", "/c": "="}


async def test_sitemaps_in_a_circle_are_read_once(site: Web) -> None:
    site.sitemap("/sitemap.xml", "/more.xml", index=True)
    site.sitemap("/sitemap.xml", "/pages.xml", at="/more.xml", index=True)
    site.sitemap("/a", at="/pages.xml")
    site.add("/a", page("a"))
    assert (await site.sync(site.source()))[0] == {"/a": "a"}
    assert site.paths() == ["/sitemap.xml", "/more.xml", "/pages.xml", "/a"]


async def test_sitemaps_and_pages_without_end_are_bounded(site: Web) -> None:
    site.sitemap("/s0.xml", index=True)
    for number in range(200):
        site.sitemap(f"/s{number + 1}.xml", at=f"/s{number}.xml", index=True)
    assert "more than 100 sitemaps" in await site.failure(site.source())
    site.sitemap(*(f"/page/{number}" for number in range(50)))
    for number in range(50):
        site.add(f"/page/{number}", page(str(number), "day " * 300))
    found, _ = await site.sync(site.source(limits=SourceLimits(articles=3)))
    assert list(found.values()) == ["0", "1", "2", "!too_many:47"]
    assert "more than 0 MB" in await site.failure(site.source(limits=SourceLimits(bytes=5_000)))


async def test_a_sitemap_of_a_gigabyte_that_was_packed_is_not_unpacked(site: Web) -> None:
    bomb = gzip.compress(b"<urlset>" + b" " * 1_000_000)
    site.pages["/sitemap.xml"] = lambda r: web.Response(body=bomb, content_type="application/gzip")
    assert "too large" in await site.failure(site.source(limits=SourceLimits(file=100_000)))
    headers = {"content-encoding": "gzip"}
    huge = gzip.compress(b" " * (13 << 20))
    site.pages["/sitemap.xml"] = lambda r: web.Response(body=huge, content_type="text/xml", headers=headers)
    assert "too large" in await site.failure(site.source())


async def test_a_site_that_asks_to_wait_is_waited_for_but_not_for_an_hour(site: Web) -> None:
    waits = ["30", "60"]

    def busy(request: web.Request) -> web.StreamResponse:
        if waits:
            return web.Response(status=429, headers={"retry-after": waits.pop(0)})
        return web.Response(text=page("a"), content_type="text/html")

    site.pages["/a"] = busy
    assert (await site.sync(site.source("/a")))[0] == {"/a": "a"}
    assert 90 <= site.clock.now < 120
    site.pages["/a"] = lambda r: web.Response(status=429, headers={"retry-after": "3600"})
    before = site.clock.now
    assert "wait longer than 5 minutes" in await site.failure(site.source("/a"))
    assert site.clock.now - before < 10


async def test_a_site_that_is_down_fails_as_a_whole_and_a_hiccup_does_not(site: Web) -> None:
    answers = [web.Response(status=502), web.Response(text=page("a"), content_type="text/html")]
    site.pages["/a"] = lambda r: answers.pop(0)
    assert (await site.sync(site.source("/a")))[0] == {"/a": "a"}
    site.sitemap(*(f"/{number}" for number in range(10)))
    for number in range(10):
        site.pages[f"/{number}"] = lambda r: web.Response(status=500)
    assert "did not answer 5 times in a row" in await site.failure(site.source())
    assert len(site.paths()) == 2 + 1 + 5 * 4, "each of five pages is tried four times"


async def test_without_robots_txt_all_may_be_read_and_a_broken_one_forbids_all(site: Web) -> None:
    site.add("/a", page("a"))
    assert (await site.sync(site.source("/a")))[0] == {"/a": "a"}
    site.pages["/robots.txt"] = lambda r: web.Response(status=500)
    assert "robots.txt can't be read" in await site.failure(site.source("/a"))
    site.pages["/robots.txt"] = lambda r: web.Response(text="User-agent: *\nDisallow: /")
    assert "forbids to read it" in await site.failure(site.source("/a"))


async def test_a_site_that_is_empty_or_something_else_today_does_not_look_as_if_all_pages_were_gone(site: Web) -> None:
    site.sitemap("/a", "/b")
    site.add("/a", page("a"))
    site.add("/b", page("b"))
    _, known = await site.sync(site.source())
    site.sitemap()
    assert "lists no page today" in await site.failure(site.source(), known)
    site.add("/sitemap.xml", page("Мы переехали"))
    assert "no sitemap any more" in await site.failure(site.source(), known)
    del site.pages["/sitemap.xml"]
    assert "its status is 404" in await site.failure(site.source(), known)
    site.sitemap("/none.xml", index=True)
    assert "its status is 404" in await site.failure(site.source(), known)


async def test_a_known_page_that_went_is_gone_and_an_address_that_never_was_is_refused(site: Web) -> None:
    site.add("/a", page("a"))
    _, known = await site.sync(site.source("/a"))
    del site.pages["/a"]
    assert (await site.sync(site.source("/a"), known))[0] == {"/a": "!not_found"}
    assert "its status is 404" in await site.failure(site.source("/a"))


@table(
    ("url", "key"),
    [
        ("HTTPS://Example.org#part", "https://example.org/"), (" http://a.b/C?d=E ", "http://a.b/C?d=E"),
        ("http://[broken", "http://[broken"),
    ],
)  # fmt: skip
def test_the_key_of_a_page_is_its_address_without_its_parts(url: str, key: str) -> None:
    assert page_key(url) == key


# --- sites as they are in the field -----------------------------------------------------------------------------------


@table(
    ("title", "is_read"),
    [
        ("Заказ не найден", True),
        ("File not found: how to restore it", True),
        ("Ошибка 404 при оплате", True),
        ("What a 404 means", True),
        ("Page not found", False),
        ("Ошибка 404", False),
        ("Магазин — 404", False),
        ("Страница не найдена | Магазин", False),
        ("The page you requested was not found", False),
        ("404: не найдено", False),
    ],
)
def test_only_a_title_about_the_page_itself_says_that_it_is_not_there(title: str, is_read: bool) -> None:
    assert says_missing(title) is not is_read


def test_one_host_has_one_key_however_it_is_written() -> None:
    same = ("http://Пример.рф:80/a", "http://xn--e1afmkfd.xn--p1ai/a#b", "http://ПРИМЕР.РФ./a", "HTTP://пример.рф/a")
    assert {page_key(url) for url in same} == {"http://xn--e1afmkfd.xn--p1ai/a"}
    assert page_key("http://[::1]:8080") == "http://[::1]:8080/"
    assert page_key("http://a..b/") == "http://a..b/"


async def test_files_are_read_whatever_type_their_store_gives_them(site: Web) -> None:
    def file(path: str, data: bytes, kind: str) -> None:
        site.pages[path] = lambda request: web.Response(body=data, headers={"content-type": kind})

    file("/rules.pdf?v=2", pdf("Returns take 30 days."), "application/octet-stream")
    file("/prices.csv", b"Item;Price\nLamp;5\n", "application/vnd.ms-excel")
    file("/faq.md", b"# Answers\n\nYes.", "text/plain")
    file("/file/77", pdf("A file without a name."), "binary/octet-stream")
    file("/setup.exe", b"MZ\0\1", "application/octet-stream")
    site.sitemap("/rules.pdf?v=2", "/prices.csv", "/faq.md", "/file/77", "/setup.exe")
    found, _ = await site.sync(site.source())
    assert found == {
        "/rules.pdf?v=2": "rules",
        "/prices.csv": "prices",
        "/faq.md": "Answers",
        "/file/77": "77",
        "/setup.exe": "!type",
    }


async def test_a_robots_txt_that_begins_with_a_byte_order_mark_is_obeyed(site: Web) -> None:
    rules = "\ufeffUser-agent: *\nDisallow: /b\n"
    site.pages["/robots.txt"] = lambda request: web.Response(body=rules.encode())
    site.add("/a", page("A"))
    site.add("/b", page("B"))
    site.sitemap("/a", "/b")
    assert (await site.sync(site.source()))[0] == {"/a": "A", "/b": "!robots"}


async def test_a_page_that_only_leads_elsewhere_is_said_and_is_no_article(site: Web) -> None:
    site.add("/old", page("Moved", "Redirecting", '<meta http-equiv="refresh" content="0; url=/new">'))
    site.add("/new", page("New"))
    site.sitemap("/old", "/new")
    assert (await site.sync(site.source()))[0] == {"/old": "!moved:/new", "/new": "New"}
