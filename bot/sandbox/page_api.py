"""The chat page's API: `/world/` with the state, the stream of events and the actions of people. See `PageApi`.

Only this machine may ask (`guard`), and every POST needs a header that plain forms cannot send. `POLICY` says what the
browser may load and run for the page: the page's own files, and nothing that stands in its HTML.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from aiohttp import web

from bot.errors import Unreadable
from bot.media import audio
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.event_stream import Hub
from bot.sandbox.guard import Json, guard, loads
from bot.sandbox.page_tabs import DeskRules, Handbook, Trials
from bot.sandbox.telegram.call import UPLOAD_LIMIT, ApiError
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.server_facade import Telegram
from bot.texts.catalog import LANGUAGES

HEARTBEAT = 15.0
OGG = b"OggS"
MAX_VOICE = 3_600  # seconds
UNHEARD = {
    "missing": "this recording has to be converted to OggOpus: pip install 'govorun[video]', or record in Firefox",
    "mute": "there is no sound in it",
    "long": "a voice message of more than an hour",
}
INLINE = re.compile(r"(image/(jpeg|png|gif|webp)|(audio|video)/[\w.+-]+)")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src 'self'; "
    "img-src 'self' blob:; "  # blob: a chosen file is shown before it is sent
    # The page frames itself: both phones of a support desk side by side.
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; frame-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"  # the page's code cannot turn text into a script
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


BotState = Callable[[], Json]
BotControl = Callable[[str], Awaitable[None]]


class PageApi:
    """The routes of the page.

    `bot_state` returns {"running", "pid"}; `bot_control` takes kill, stop, start or restart. `trials` has the switches
    of the tab Try, `handbook` the pages that the bot can be given to read, and `desk` the rules of its support desk.
    """

    def __init__(
        self,
        telegram: Telegram,
        studio: Studio,
        bot_state: BotState,
        bot_control: BotControl,
        *,
        trials: Trials,
        handbook: Handbook,
        desk: DeskRules,
    ) -> None:
        self._telegram = telegram
        self._studio = studio
        self._bot_state = bot_state
        self._bot_control = bot_control
        self._trials = trials
        self._handbook = handbook
        self._desk = desk
        self._closing = False

    def app(self, more: Mapping[str, tuple[Callable[..., Any], str]] | None = None) -> web.Application:
        """The server for the page, without the page's own files: add those to its router. `more` are further actions
        (`_actions`).
        """
        app = web.Application(middlewares=[guard(partial(_error, 403))], client_max_size=UPLOAD_LIMIT)
        app.router.add_get("/world/state", self._state)
        app.router.add_get("/world/events", self._events)
        app.router.add_get("/world/file/{file_id}", self._file)
        app.router.add_post("/world/upload", self._upload)
        for name, (function, result) in {**self._actions(), **(more or {})}.items():
            app.router.add_post(f"/world/{name}", self._action(function, result))
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
        """Tell the page how the switches of the tab Try stand, and whether the bot has an owner."""
        self._hub.publish("trials", trials=self._trials.state())

    # --- looking ------------------------------------------------------------------------------------------------------

    @property
    def _hub(self) -> Hub:
        return self._telegram.hub

    def _bot(self) -> Json:
        me = self._telegram.state.profile.me()
        names = ("id", "username", "first_name", "has_topics_enabled")
        return {name: me[name] for name in names} | self._bot_state()

    def _faults(self) -> Json:
        return {"telegram": dict(self._telegram.faults.shares), "model": dict(self._studio.faults)}

    async def _state(self, request: web.Request) -> web.Response:
        seq, bot, journal = self._hub.seq, self._bot(), self._hub.entries()
        state = {"seq": seq, "bot": bot, **self._telegram.snapshot(), "journal": journal, "faults": self._faults()}
        return web.json_response({**state, "model": self._studio.model_state(), "trials": self._trials.state()})

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
        with suppress(ConnectionError):
            while not self._closing:
                events = self._hub.after(seq)
                if events is None:
                    events = [{"seq": self._hub.seq, "type": "reset"}]
                if events:
                    seq = events[-1]["seq"]
                    await response.write(b"".join(map(_sse, events)))
                    continue
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        await self._hub.changed()
                except TimeoutError:
                    await response.write(b": still here\n\n")

    async def _shut(self, _app: web.Application) -> None:
        self._closing = True
        self._hub.touch()

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

    def _actions(self) -> dict[str, tuple[Callable[..., Any], str]]:
        """What people can do: a function, which gets its arguments by their names, and the name of its result."""
        people = self._telegram
        return {
            "send": (self._send, "message"),
            "edit": (people.edit, "message"),
            "delete": (people.delete, ""),
            "press": (self._press, "callback_query_id"),
            "press_reply_button": (people.press_reply_button, "message"),
            "stop": (people.stop, ""),
            "react": (people.react, ""),
            "topic": (people.topic, "topic"),
            "delete_topic": (people.delete_topic, ""),
            "chat": (self._chat, "chat"),
            "block": (people.block, ""),
            "promote": (people.promote, ""),
            "join": (people.join, "message"),
            "account": (self._account, "account"),
            "desk": (self._desk.change, "desk"),
            "load": (self._load, "load"),
            "faults": (self._set_faults, "faults"),
            "bot": (self._control, "bot"),
            "model": (self._model, "model"),
            "try": (self._try, "trials"),
            "handbook": (self._handbook.open, "handbook"),
            "handbook_page": (self._handbook.write, ""),
            "texts": (_texts, "texts"),
            "reset": (people.reset, ""),
        }

    def _action(self, function: Callable[..., Any], result: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            if request.content_type != "application/json":
                return _error(415, "content-type must be application/json")
            try:
                body = loads(await request.read() or b"{}")
                if not isinstance(body, dict):
                    raise ValueError("an object is expected")
                done = function(**self._arguments(function, body))
                done = await done if inspect.isawaitable(done) else done
            except (ValueError, ApiError) as error:
                return _error(400, str(error))
            return web.json_response({result: done} if result else {})

        return handle

    def _arguments(self, function: Callable[..., Any], body: Json) -> Json:
        """The arguments of a function from the fields of a request; one that is called `body` is all of them.

        Raises `ValueError` for a missing or wrong one, and for an unknown chat: the page must not create people by
        mistake.
        """
        found: Json = {}
        body = {**body, "body": body}
        for name, parameter in inspect.signature(function).parameters.items():
            needed = parameter.default is parameter.empty
            kind, optional, _ = str(parameter.annotation).partition(" |")
            if body.get(name) is not None or (needed and not optional):
                found[name] = READERS.get(kind, _given)(body, name)
            elif needed:
                found[name] = None
        chat_id = found.get("chat_id", found.get("user_id"))
        if chat_id is not None and chat_id not in self._telegram.state.chats:
            raise ValueError("there is no such chat")
        return found

    def _send(self, chat_id: int, text: str, user_id: int = 0, thread_id: int = 0, reply_to: int = 0) -> Message:
        if not text.strip():
            raise ValueError("the text is empty")
        if reply_to < 0:  # a reply to an ephemeral message (`State.view`)
            return self._telegram.whisper(chat_id, text, user_id, thread_id, -reply_to)
        if self._telegram.state.chats[chat_id].private and self._trials.said(user_id, text):
            self.show_trials()
        return self._telegram.say(chat_id, text, user_id, thread_id, reply_to)

    async def _upload(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Sandbox") != "1":
            return _error(403, "the header X-Sandbox: 1 is missing")
        data, mime = await request.read(), request.content_type
        try:
            if request.query.get("kind") == "voice" and not data.startswith(OGG):
                data, mime = await asyncio.to_thread(_voice, data), "audio/ogg"
            about = {"data": data, "mime": mime, "duration": max(round(audio.seconds(data)), 1)}
            message = self._telegram.upload(**self._arguments(self._telegram.upload, {**request.query, **about}))
        except (ValueError, ApiError) as error:
            return _error(400, str(error))
        return web.json_response({"message": message})

    def _press(self, chat_id: int, message_id: int, data: str, user_id: int = 0) -> str:
        chat, unseen = self._telegram.state.chats[chat_id], message_id < 0
        if abs(message_id) not in (chat.unseen if unseen else chat.messages):
            raise ValueError("there is no such message")
        return self._telegram.press(chat_id, abs(message_id), data, user_id, unseen=unseen)

    def _chat(
        self, type: str, title: str, language_code: str = "", members: list[int] | None = None, is_forum: bool = False
    ) -> Json:
        title = title.strip()
        if not 1 <= len(title) <= 128:
            raise ValueError("title must have 1 to 128 characters")
        if type == "private":
            return self._telegram.person(title, language_code)
        if type != "supergroup":
            raise ValueError("type must be private or supergroup")
        if not isinstance(members or [], list):
            raise ValueError("members must be a list")
        return self._telegram.group(title, members or [], is_forum=is_forum)

    def _account(self, user_id: int, action: str, person: int = 0, text: str = "") -> Json:
        """Connect the account of a person to the bot, disconnect it, or let another `person` write there. Returns
        whether it is connected, and what stands in the chat with that other person. Raises `ValueError`.
        """
        connections, business = self._telegram.state.connections, self._telegram.business
        here = next((one.id for one in connections.values() if one.owner == user_id), "")
        if action == "connect" and not here:
            here = business.connect(user_id)
        elif action in ("connect", "disconnect") and here:
            business.disconnect(here, action == "disconnect")
        elif action == "say" and here and text.strip():
            business.say(here, person, text)
        elif action != "look":
            raise ValueError("action must be connect, disconnect, say (to a connected account, with a text) or look")
        said = business.transcript(here, person) if here and person else []
        return {"connected": bool(here) and connections[here].is_enabled, "messages": said}

    def _set_faults(self, telegram: Json | None = None, model: Json | None = None) -> Json:
        for name, given in (("telegram", telegram), ("model", model)):
            if not isinstance(given or {}, dict):
                raise ValueError(f"{name} must be an object")
        self._telegram.faults.set_shares(telegram or {})
        self._studio.set_faults(model or {})
        self._hub.publish("faults", faults=self._faults())
        return self._faults()

    def _load(self, chat_id: int) -> Json:
        """How many messages the bot has sent to a group in the last minute, and how many Telegram lets it send."""
        limits = self._telegram.limits
        return {"spent": limits.spent(chat_id, self._telegram.clock.monotonic()), "most": limits.limits.group_minute}

    async def _control(self, action: str) -> Json:
        if action not in {"kill", "stop", "start", "restart"}:
            raise ValueError("action must be kill, stop, start or restart")
        await self._bot_control(action)
        self.show_bot()
        return self._bot()

    async def _model(self, kind: str, name: str = "") -> Json:
        await self._studio.switch(kind, name)
        self.show_model()
        return self._studio.model_state()

    async def _try(self, body: Json) -> Json:
        await self._trials.change(body)
        self.show_trials()
        return self._trials.state()


def _voice(data: bytes) -> bytes:
    """Any sound as a voice message: OggOpus. Browsers other than Firefox record WebM. Raises `ValueError`."""
    try:
        return audio.opus(data, MAX_VOICE)
    except Unreadable as error:
        raise ValueError(UNHEARD.get(str(error), UNHEARD["mute"])) from None


def _number(body: Json, name: str) -> int:
    value = body.get(name)
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} must be a number")
    return value


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string")
    return value


def _given(body: Json, name: str) -> Any:
    return body.get(name)


# By the type of a parameter; values of other types are passed on as they are.
READERS: dict[str, Callable[[Json, str], Any]] = {"int": _number, "str": _text}


def _error(status: int, sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=status)


def _sse(event: Json) -> bytes:
    return f"id: {event['seq']}\ndata: {json.dumps(event)}\n\n".encode()


def _texts(body: Json) -> dict[str, list[str]]:
    """Return the texts with the `keys` of a request, in all languages, each up to its first place for a value.

    Raises `ValueError` for a key that the catalog lacks.
    """
    keys = body.get("keys")
    if not isinstance(keys, list) or not all(key in LANGUAGES["en"] for key in keys):
        raise ValueError("keys must be a list of the bot's texts")
    return {key: [texts[key].partition("{")[0] for texts in LANGUAGES.values()] for key in keys}


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
