"""The chat page's API: `/world/` with the state, the stream of events and the actions of people. See `PageApi`.

Only this machine may ask (`guard`), and every POST needs a header that plain forms cannot send. `POLICY` says what the
browser may load and run for the page: the page's own files, and nothing that stands in its HTML.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, get_args

from aiohttp import web

from bot.errors import Unreadable
from bot.media import audio
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.event_stream import Event, Hub
from bot.sandbox.guard import guard, loads
from bot.sandbox.telegram.call import ApiError
from bot.sandbox.telegram.files import UPLOAD_LIMIT
from bot.sandbox.telegram.people import UploadKind
from bot.sandbox.telegram.server_facade import Telegram
from bot.sandbox.trials import Trials

HEARTBEAT = 15.0
OGG = b"OggS"
LONGEST_VOICE = 3_600  # seconds
UNHEARD = {
    "missing": "this recording has to be converted to OggOpus: pip install 'govorun[video]', or record in Firefox",
    "mute": "there is no sound in it",
    "long": "a voice message of more than an hour",
}
KINDS = get_args(UploadKind)
INLINE = re.compile(r"(image/(jpeg|png|gif|webp)|(audio|video)/[\w.+-]+)")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src 'self'; "
    "img-src 'self' blob:; "  # blob: a chosen file is shown before it is sent
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"  # the page's code cannot turn text into a script
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


BotState = Callable[[], dict[str, Any]]
BotControl = Callable[[str], Awaitable[None]]
Body = dict[str, Any]


class PageApi:
    """The routes of the page. `bot_state` returns {"running", "pid"}; `bot_control` takes kill, stop, start
    or restart; `trials` is what the page lets people try.
    """

    def __init__(
        self, telegram: Telegram, studio: Studio, bot_state: BotState, bot_control: BotControl, *, trials: Trials
    ) -> None:
        self._telegram = telegram
        self._studio = studio
        self._bot_state = bot_state
        self._bot_control = bot_control
        self._trials = trials
        self._streams: set[asyncio.Event] = set()

    def app(self) -> web.Application:
        """The server for the page, without the page's own files: add those to its router."""
        app = web.Application(middlewares=[guard(partial(_error, 403))], client_max_size=UPLOAD_LIMIT)
        app.router.add_get("/world/state", self._state)
        app.router.add_get("/world/events", self._events)
        app.router.add_get("/world/file/{file_id}", self._file)
        app.router.add_post("/world/upload", self._upload)
        for name, action in self._actions().items():
            app.router.add_post(f"/world/{name}", _action(action))
        app.on_response_prepare.append(_add_headers)
        app.on_shutdown.append(self._shut)
        return app

    def show_bot(self) -> None:
        """Tell the page that the bot's process was started or has ended."""
        self._hub.publish("bot", bot=self._bot())

    def show_model(self) -> None:
        """Tell the page which model writes the answers, and how far a change of it is."""
        self._hub.publish("model", model=self._studio.model_state())

    def show_trials(self) -> None:
        """Tell the page what people try, and whether the bot has an owner."""
        self._hub.publish("trials", trials=self._trials.state())

    # --- looking ------------------------------------------------------------------------------------------------------

    @property
    def _hub(self) -> Hub:
        return self._telegram.hub

    def _bot(self) -> dict[str, Any]:
        me = self._telegram.state.profile.me()
        names = ("id", "username", "first_name", "has_topics_enabled")
        return {**{name: me[name] for name in names}, **self._bot_state()}

    def _faults(self) -> dict[str, Any]:
        return {"telegram": dict(self._telegram.faults.shares), "model": dict(self._studio.faults)}

    async def _state(self, request: web.Request) -> web.Response:
        snapshot = self._telegram.snapshot()
        return web.json_response(
            {
                "seq": self._hub.seq,
                "bot": self._bot(),
                **snapshot,
                "journal": self._hub.entries(),
                "faults": self._faults(),
                "model": self._studio.model_state(),
                "trials": self._trials.state(),
            }
        )

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Send the stream of events. A client that is too far behind gets one event "reset" and continues from now."""
        after = request.query.get("after") or request.headers.get("Last-Event-ID") or str(self._hub.seq)
        if not after.isdigit():
            return _error(400, "after must be a number")
        response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        await response.prepare(request)
        await self._stream(response, int(after))
        return response

    async def _stream(self, response: web.StreamResponse, seq: int) -> None:
        closing = asyncio.Event()
        self._streams.add(closing)
        try:
            while not closing.is_set():
                events = self._hub.after(seq)
                if events is None:
                    events = [{"seq": self._hub.seq, "type": "reset"}]
                if events:
                    seq = events[-1]["seq"]
                    await response.write(b"".join(map(_sse, events)))
                elif not await self._moved(closing):
                    await response.write(b": still here\n\n")
        except ConnectionError:
            return
        finally:
            self._streams.discard(closing)

    async def _moved(self, closing: asyncio.Event) -> bool:
        """Wait for a new event; return False after 15 s without one."""
        waits = {asyncio.ensure_future(self._hub.changed()), asyncio.ensure_future(closing.wait())}
        try:
            done, _ = await asyncio.wait(waits, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return bool(done)

    async def _shut(self, app: web.Application) -> None:
        for closing in self._streams:
            closing.set()

    async def _file(self, request: web.Request) -> web.Response:
        """The bytes of a file. What a browser might run (pages, pictures with scripts) is only offered for download."""
        file = self._telegram.state.files.get(request.match_info["file_id"])
        if file is None:
            return _error(404, "there is no such file")
        shown = INLINE.fullmatch(file.mime)
        headers = {
            "Content-Type": file.mime if shown else "application/octet-stream",
            "Content-Disposition": "inline" if shown else "attachment",
        }
        return web.Response(body=file.data, headers=headers)

    # --- doing --------------------------------------------------------------------------------------------------------

    def _actions(self) -> dict[str, Callable[[Body], Awaitable[Body]]]:
        return {
            "send": self._send,
            "edit": self._edit,
            "delete": self._delete,
            "press": self._press,
            "stop": self._stop,
            "react": self._react,
            "topic": self._topic,
            "delete_topic": self._delete_topic,
            "chat": self._chat,
            "block": self._block,
            "promote": self._promote,
            "faults": self._set_faults,
            "bot": self._control,
            "model": self._model,
            "try": self._try,
            "reset": self._reset,
        }

    async def _send(self, body: Body) -> Body:
        text = _text(body, "text")
        if not text.strip():
            raise ValueError("the text is empty")
        chat_id, reply_to = self._known(body), _number(body, "reply_to", 0)
        user_id, thread_id = _number(body, "user_id", 0), _number(body, "thread_id", 0)
        if reply_to < 0:  # a reply to an ephemeral message (`State.unseen_view`)
            return {"message": self._telegram.whisper(chat_id, text, user_id, thread_id, -reply_to)}
        if self._telegram.state.chats[chat_id].private and self._trials.said(user_id, text):
            self.show_trials()
        return {"message": self._telegram.say(chat_id, text, user_id, thread_id, reply_to)}

    async def _edit(self, body: Body) -> Body:
        number = _number(body, "message_id")
        user_id = _number(body, "user_id", 0)
        return {"message": self._telegram.edit(self._known(body), number, _text(body, "text"), user_id)}

    async def _delete(self, body: Body) -> Body:
        self._telegram.delete(self._known(body), _number(body, "message_id"))
        return {}

    async def _upload(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Sandbox") != "1":
            return _error(403, "the header X-Sandbox: 1 is missing")
        query: Body = dict(request.query)
        kind = query.get("kind", "photo")
        try:
            if kind not in KINDS:
                raise ValueError(f"kind must be one of {', '.join(KINDS)}")
            data, mime = await request.read(), request.content_type
            if kind == "voice" and not data.startswith(OGG):
                data, mime = await asyncio.to_thread(_voice, data), "audio/ogg"
            message = self._telegram.upload(
                self._known(query),
                data,
                kind,
                name=query.get("name", ""),
                mime=mime,
                duration=max(round(audio.seconds(data)), 1),
                caption=query.get("caption", ""),
                user_id=_number(query, "user_id", 0),
                thread_id=_number(query, "thread_id", 0),
                group=query.get("group", ""),
            )
        except (ValueError, ApiError) as error:
            return _error(400, str(error))
        return web.json_response({"message": message})

    async def _press(self, body: Body) -> Body:
        chat_id, number = self._known(body), _number(body, "message_id")
        chat, unseen, user_id = self._telegram.state.chats[chat_id], number < 0, _number(body, "user_id", 0)
        if abs(number) not in (chat.unseen if unseen else chat.messages):
            raise ValueError("there is no such message")
        data = _text(body, "data")
        return {"callback_query_id": self._telegram.press(chat_id, abs(number), data, user_id, unseen=unseen)}

    async def _stop(self, body: Body) -> Body:
        self._telegram.stop(self._known(body), _number(body, "draft_id"), _number(body, "thread_id", 0))
        return {}

    async def _react(self, body: Body) -> Body:
        emoji = _text(body, "emoji") if body.get("emoji") else None
        self._telegram.react(self._known(body), _number(body, "message_id"), emoji, _number(body, "user_id", 0))
        return {}

    async def _topic(self, body: Body) -> Body:
        name = _text(body, "name") if body.get("name") else ""
        return {"topic": self._telegram.topic(self._known(body), _number(body, "user_id", 0), name)}

    async def _delete_topic(self, body: Body) -> Body:
        self._telegram.delete_topic(self._known(body), _number(body, "thread_id"))
        return {}

    async def _chat(self, body: Body) -> Body:
        title = _text(body, "title").strip()
        if not 1 <= len(title) <= 128:
            raise ValueError("title must have 1 to 128 characters")
        if body.get("type") == "private":
            language = body.get("language_code") or ""
            return {"chat": self._telegram.person(title, str(language))}
        if body.get("type") != "supergroup":
            raise ValueError("type must be private or supergroup")
        members = body.get("members") or []
        if not isinstance(members, list):
            raise ValueError("members must be a list")
        return {"chat": self._telegram.group(title, members, is_forum=bool(body.get("is_forum")))}

    async def _block(self, body: Body) -> Body:
        user_id = _number(body, "user_id")
        self._telegram.block(self._known({"chat_id": user_id}), bool(body.get("blocked")))
        return {}

    async def _promote(self, body: Body) -> Body:
        self._telegram.promote(self._known(body), bool(body.get("up")), _number(body, "user_id", 0))
        return {}

    async def _set_faults(self, body: Body) -> Body:
        for name in ("telegram", "model"):
            if not isinstance(body.get(name, {}), dict):
                raise ValueError(f"{name} must be an object")
        self._telegram.faults.set_shares(body.get("telegram", {}))
        if body.get("model"):
            self._studio.set_faults(body["model"])
        self._hub.publish("faults", faults=self._faults())
        return {"faults": self._faults()}

    async def _control(self, body: Body) -> Body:
        action = body.get("action")
        if action not in {"kill", "stop", "start", "restart"}:
            raise ValueError("action must be kill, stop, start or restart")
        await self._bot_control(action)
        self.show_bot()
        return {"bot": self._bot()}

    async def _model(self, body: Body) -> Body:
        await self._studio.switch(_text(body, "kind"), str(body.get("name") or ""))
        self.show_model()
        return {"model": self._studio.model_state()}

    async def _try(self, body: Body) -> Body:
        await self._trials.change(body)
        self.show_trials()
        return {"trials": self._trials.state()}

    async def _reset(self, body: Body) -> Body:
        self._telegram.reset()
        return {}

    def _known(self, body: Body) -> int:
        """The chat of the request. Raises `ValueError` for an unknown one: the page must not create people
        by mistake.
        """
        chat_id = _number(body, "chat_id")
        if chat_id not in self._telegram.state.chats:
            raise ValueError("there is no such chat")
        return chat_id


def _voice(data: bytes) -> bytes:
    """Any sound as a voice message: OggOpus. Browsers other than Firefox record WebM. Raises `ValueError`."""
    try:
        return audio.opus(data, LONGEST_VOICE)
    except Unreadable as error:
        raise ValueError(UNHEARD.get(str(error), UNHEARD["mute"])) from None


def _number(body: Body, name: str, default: int | None = None) -> int:
    value = body.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} must be a number")
    return value


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string")
    return value


def _error(status: int, sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=status)


def _sse(event: Event) -> bytes:
    return f"id: {event['seq']}\ndata: {json.dumps(event)}\n\n".encode()


def _action(action: Callable[[Body], Awaitable[Body]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _error(415, "content-type must be application/json")
        try:
            body = loads(await request.read() or b"{}")
            if not isinstance(body, dict):
                raise ValueError("an object is expected")
            return web.json_response(await action(body))
        except (ValueError, ApiError) as error:
            return _error(400, str(error))

    return handle


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
