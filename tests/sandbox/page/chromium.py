"""A browser for the page tests: headless Chromium over its DevTools protocol. Begin at `Page.open`.

    async with Page.open("http://127.0.0.1:8080/") as page:
        await page.type("[data-testid=composer]", "hello")
        await page.press("Enter")
        await page.wait_for("document.querySelector('[data-testid=draft]')")
        assert page.problems == []

Every wait has a deadline and fails with what the page complained about. Nothing here knows the page itself.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
START_SECONDS = 30.0
POLL_SECONDS = 0.02


class BrowserError(Exception):
    """The browser refused a command, a script threw, or a wait ran out of time."""


def find_browser() -> str | None:
    """The path of an installed Chromium or Chrome, or None (then page tests are skipped)."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


# --- the wire ---------------------------------------------------------------------------------------------------------


class Wire:
    """One DevTools connection: numbered commands, their answers, and events for a listener."""

    def __init__(self, socket: ClientConnection) -> None:
        self.listeners: list[Page] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def command(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        body: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session:
            body["sessionId"] = session
        await self._socket.send(json.dumps(body))
        answer: dict[str, Any] = await asyncio.wait_for(future, START_SECONDS)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer.get("result", {})
        return result

    async def read(self) -> None:
        async for raw in self._socket:
            body = json.loads(raw)
            future = self._waiting.pop(body.get("id", 0), None)
            if future is not None and not future.done():
                future.set_result(body)
            elif "method" in body:
                for page in self.listeners:
                    page.hear(body["method"], body.get("params", {}))


async def _debugger_url(profile: Path, process: asyncio.subprocess.Process) -> str:
    """Chromium writes its port and path into this file once it listens."""
    port_file = profile / "DevToolsActivePort"
    async with asyncio.timeout(START_SECONDS):
        while True:
            if process.returncode is not None:
                raise BrowserError(f"the browser ended with code {process.returncode}")
            lines = port_file.read_text().split() if port_file.exists() else []
            if len(lines) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            await asyncio.sleep(POLL_SECONDS)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError, TimeoutError):
        await asyncio.wait_for(process.wait(), 3)
    if process.returncode is None:
        process.kill()
        await process.wait()


@asynccontextmanager
async def _browser(language: str, scheme: str) -> AsyncIterator[Wire]:
    """A fresh browser with an empty profile; gone with its profile at the end."""
    program = find_browser()
    if program is None:
        raise BrowserError("no Chromium on this machine: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="page-", ignore_cleanup_errors=True) as profile:
        flags = [*FLAGS, f"--user-data-dir={profile}", f"--lang={language}", f"--accept-lang={language}"]
        if scheme == "dark":
            flags.append("--force-dark-mode")
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(program, *flags, "about:blank", stdout=quiet, stderr=quiet)
        try:
            url = await _debugger_url(Path(profile), process)
            async with connect(url, max_size=64 << 20, compression=None, proxy=None) as socket:
                wire = Wire(socket)
                reader = asyncio.create_task(wire.read())
                try:
                    yield wire
                    with suppress(Exception):
                        await wire.command("Browser.close")
                finally:
                    reader.cancel()
                    with suppress(asyncio.CancelledError):
                        await reader
        finally:
            await _end(process)


# --- a page -----------------------------------------------------------------------------------------------------------


@dataclass
class Page:
    """One tab. `console` are the errors the page logged or threw, `failed` the requests that did not succeed."""

    wire: Wire
    session: str
    console: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        width: int = 1280,
        height: int = 800,
        scheme: str = "light",
        language: str = "en-US",
        mobile: bool = False,
    ) -> AsyncIterator[Page]:
        """Start a browser, open `url`, and wait until it has loaded. `scheme` is light or dark."""
        async with _browser(language, scheme) as wire:
            target = (await wire.command("Target.createTarget", url="about:blank"))["targetId"]
            session = (await wire.command("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
            page = cls(wire, session)
            wire.listeners.append(page)
            await page._prepare(width, height, scheme, mobile)
            await page.goto(url)
            yield page

    async def _prepare(self, width: int, height: int, scheme: str, mobile: bool) -> None:
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            await self.call(f"{domain}.enable")
        await self.resize(width, height, mobile=mobile)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)
        await self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    @property
    def problems(self) -> list[str]:
        return [*self.console, *self.failed]

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Any DevTools command on this tab."""
        return await self.wire.command(method, self.session, **params)

    async def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile
        )

    async def goto(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def reload(self) -> None:
        await self.eval("window.__old = true")
        await self.call("Page.reload")
        await self.wait_for("!window.__old && document.readyState === 'complete'")

    async def eval(self, js: str) -> Any:
        """The value of an expression; promises are awaited. Raises BrowserError when it throws."""
        answer = await self.call(
            "Runtime.evaluate", expression=js, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if details := answer.get("exceptionDetails"):
            raise BrowserError(f"{_exception(details)} in {js[:200]}")
        return answer.get("result", {}).get("value")

    async def wait_for(self, js: str, timeout: float = 10.0) -> Any:
        """Poll an expression until it is true; returns its value. A page that is navigating counts as false."""
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            with suppress(BrowserError):
                if value := await self.eval(f"(() => {{ const v = {js}; return v instanceof Node ? true : v }})()"):
                    return value
            if asyncio.get_running_loop().time() > deadline:
                raise BrowserError(f"not true within {timeout} s: {js}\npage: {self.problems}")
            await asyncio.sleep(POLL_SECONDS)

    async def text(self, selector: str) -> str:
        value = await self.eval(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
        return str(value)

    async def click(self, selector: str, *, button: str = "left") -> None:
        """Wait for the element, scroll to it, and press the mouse in its middle."""
        x, y = await self._middle(selector)
        await self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    async def hover(self, selector: str) -> None:
        x, y = await self._middle(selector)
        await self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    async def _middle(self, selector: str) -> tuple[float, float]:
        quoted = json.dumps(selector)
        await self.wait_for(f"document.querySelector({quoted})")
        box = await self.eval(
            f"(() => {{ const e = document.querySelector({quoted}); e.scrollIntoView({{block: 'nearest'}});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2, r.width] })()"
        )
        if not box[2]:
            raise BrowserError(f"{selector} is not visible")
        return box[0], box[1]

    async def type(self, selector: str, text: str) -> None:
        """Focus the element and insert `text` as the keyboard would."""
        quoted = json.dumps(selector)
        await self.wait_for(f"document.querySelector({quoted})")
        await self.eval(f"document.querySelector({quoted}).focus()")
        await self.call("Input.insertText", text=text)

    async def press(self, key: str, *modifiers: str) -> None:
        """A key such as Enter, Escape, ArrowUp or a; modifiers are Alt, Control, Meta, Shift."""
        code, text = KEYS.get(key, (ord(key[0].upper()), key if len(key) == 1 else ""))
        mask = sum(MODIFIERS[name] for name in modifiers)
        down: dict[str, Any] = {"type": "keyDown" if text and not mask & 6 else "rawKeyDown", "text": text}
        for event in (down, {"type": "keyUp"}):
            await self.call("Input.dispatchKeyEvent", key=key, windowsVirtualKeyCode=code, modifiers=mask, **event)

    async def set_files(self, selector: str, paths: Sequence[Path]) -> None:
        """Choose files in an `<input type=file>`."""
        root = (await self.call("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.call("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
        await self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    async def screenshot(self, path: str | Path) -> Path:
        """Save the visible part of the page as PNG."""
        data = (await self.call("Page.captureScreenshot", format="png"))["data"]
        target = Path(path)
        await asyncio.to_thread(target.write_bytes, base64.b64decode(data))
        return target

    def hear(self, method: str, params: dict[str, Any]) -> None:
        """Called by the wire for each event of the browser."""
        match method:
            case "Runtime.exceptionThrown":
                self.console.append(_exception(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "assert"):
                self.console.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                entry = params["entry"]
                self.console.append(f"{entry['text']} {entry.get('url', '')}".strip())
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Network.responseReceived" if params["response"]["status"] >= 400:
                self.failed.append(f"{params['response']['status']} {params['response']['url']}")
            case "Network.loadingFailed" if not params.get("canceled"):
                self.failed.append(f"{params['errorText']} {params.get('type', '')}")


def _exception(details: dict[str, Any]) -> str:
    thrown = details.get("exception", {})
    return str(thrown.get("description") or thrown.get("value") or details.get("text"))


MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}
KEYS = {
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "Tab": (9, ""),
    "Backspace": (8, ""),
    "ArrowUp": (38, ""),
    "ArrowDown": (40, ""),
    "ArrowLeft": (37, ""),
    "ArrowRight": (39, ""),
    "PageUp": (33, ""),
    "PageDown": (34, ""),
    "End": (35, ""),
    "Home": (36, ""),
}

__all__ = ["BrowserError", "Page", "find_browser"]
