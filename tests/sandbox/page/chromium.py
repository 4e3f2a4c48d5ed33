"""The browser of the page tests: the system's Chromium, driven by playwright. Begin with `visiting`."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, ConsoleMessage, Page, Request, Response, async_playwright

from scripts.system_packages import CHROMIUM

PATIENCE = 60.0  # seconds for whatever the browser waits for: a loaded machine is slow
MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")  # it beeps
FLAGS = ("--disable-quic", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")


def find_browser() -> str | None:
    """The path of an installed Chromium or Chrome; None where there is none, and the page tests are skipped."""
    return next((path for name in CHROMIUM if (path := shutil.which(name))), None)


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """Start headless Chromium without a sandbox of its own, which it can't have in a container."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_browser(), chromium_sandbox=False, args=[*FLAGS, *MICROPHONE]
        )
        yield browser
        await browser.close()


@asynccontextmanager
async def new_tab(
    browser: Browser, problems: list[str], language: str = "en-US", height: int = 800
) -> AsyncIterator[Page]:
    """A tab in a profile of its own. Adds to `problems` errors of scripts and failed requests."""

    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "assert"):
            problems.append(message.text)

    def response(found: Response) -> None:
        if found.status >= 400:
            problems.append(f"{found.status} {found.url}")

    def failed(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page itself has given it up
            problems.append(f"{request.failure} {request.url}")

    context = await browser.new_context(locale=language, viewport={"width": 1280, "height": height})
    context.set_default_timeout(PATIENCE * 1000)
    page = await context.new_page()
    page.on("console", console)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("response", response)
    page.on("requestfailed", failed)
    try:
        yield page
    finally:
        await context.close()


@asynccontextmanager
async def visiting(tab: Page, url: str) -> AsyncIterator[None]:
    """Show the chat page at `url`. Leaving the block closes it and forgets what it has kept, so that the next visit in
    this tab is a first one, in a window of the size it had.

    The first page of a tab costs four times as much as each one after it.
    """
    size = tab.viewport_size
    assert size is not None
    try:
        await tab.goto(url)
        await tab.get_by_test_id("composer").wait_for()
        yield
    finally:
        await tab.set_viewport_size(size)
        await tab.goto(f"{url}logo.svg")  # has the page's storage and runs no script
        await tab.evaluate("() => { localStorage.clear(); sessionStorage.clear() }")
        await tab.goto("about:blank")
