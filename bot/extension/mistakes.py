"""Mistakes in what a programmer adds to an App: each is a `ConfigError` in one line, raised where it is made."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, TypeGuard

from bot.ai import Profile
from bot.errors import ConfigError, ProgramError
from bot.texts.catalog import own
from bot.types import Outgoing, check_rows

# What features of Govorun have, with any settings but DESK, whose words are compared at the start.
COMMANDS = frozenset(
    {
        "allowance",
        "audit",
        "broadcast",
        "chats",
        "context",
        "export",
        "forget",
        "gaps",
        "help",
        "image",
        "img",
        "invite",
        "jobs",
        "kb",
        "language",
        "later",
        "members",
        "model",
        "new",
        "persona",
        "pin",
        "prompt",
        "reasoning",
        "remind",
        "search",
        "settings",
        "start",
        "stop",
        "summary",
        "template",
        "templates",
        "timezone",
        "topic",
        "usage",
        "voice",
        "whisper",
        "whoami",
        "write",
    }
)
TOOLS = frozenset(("calculator", "current_time", "remind", "web_answer", "web_search"))
Method = typing.TypeVar("Method", bound=Callable[..., Any])
UNSENDABLE = (bool, int, float, bytes, list, tuple, set)


def check_function(title: str, function: Any, parameters: tuple[str, ...], *, is_async: bool = True) -> None:
    """Raise `ConfigError` unless `function` is async (or is not) and takes these parameters by position."""
    shape = f"{'async ' if is_async else ''}def ({', '.join(parameters)})"
    if inspect.isclass(function) or not callable(function):
        raise ConfigError(f"{title}: a function is expected, {shape}, and not {shown(function)}")
    if is_async:
        check_async(title, function)
    elif inspect.iscoroutinefunction(function):
        raise ConfigError(f"{title}: {shown(function)} is async: it must be an ordinary function")
    try:
        inspect.signature(function).bind(*parameters)
    except TypeError:
        takes = inspect.signature(function)
        raise ConfigError(f"{title}: {shape} is expected, and {shown(function)} takes {takes}") from None


def check_stopped(running: Collection[object]) -> None:
    """Raise `ConfigError` if a bot of this App runs: what it can do is fixed at its start."""
    if running:
        raise ConfigError("the bot runs already: add this before App.run or App.running")


def check_setting(name: str, known: Collection[str]) -> None:
    """Raise `ConfigError` unless `App(...)` knows a setting of this name."""
    if name not in known:
        near = "".join(f", did you mean {one}?" for one in get_close_matches(name, known, 1)) or ";"
        raise ConfigError(f"{name} is no setting of Govorun{near} docs/settings.md lists them")


def check_lifespan(function: Any) -> None:
    """Raise `ConfigError` unless this is an async generator that takes the running bot."""
    if not inspect.isasyncgenfunction(function) or len(inspect.signature(function).parameters) != 1:
        raise ConfigError(f"App.lifespan: async def (running) with one `yield` is expected, and not {shown(function)}")


def check_command(word: Any, function: Any, without: Sequence[str] = ()) -> None:
    """Raise `ConfigError` if this function can't be the command /`word`: its shape, or what it says it returns. The
    words `without` are those of commands that are switched off.
    """
    if word in COMMANDS and word not in without:
        raise ConfigError(f"/{word} is a command of Govorun: choose another word")
    check_function(f"/{word}", function, ("incoming", "reply"))
    try:
        returns = typing.get_type_hints(function).get("return")
    except Exception:  # names that only a type checker knows
        return
    if (typing.get_origin(returns) or returns) in UNSENDABLE:
        raise ConfigError(f"/{word}: {shown(function)} returns {inspect.formatannotation(returns)}; {EXPECTED}")


def check_feature(feature: Any) -> None:
    """Raise `ConfigError` unless this is a class of a feature with a handler."""
    if not inspect.isclass(feature) or not hasattr(feature, "feature"):
        raise ConfigError(f"App.add_feature: a class of govorun.handlers.Feature is expected, and not {shown(feature)}")
    if not any(hasattr(one, "govorun_handles") for one in vars(feature).values()):
        raise ConfigError(f"App.add_feature: {shown(feature)} has no method with @command, @press, @awaited or another")


def check_press(name: str, function: Any) -> None:
    """Raise `ConfigError` if this function can't be what buttons with this name call."""
    check_async(f"press {name!r}", function)
    if len(list(inspect.signature(function).parameters)) < 2:
        raise ConfigError(f"press {name!r}: async def (incoming, reply, ...) is expected, with the button's arguments")


def check_async(title: str, function: Any) -> None:
    """Raise `ConfigError` unless this is an async function, whatever it takes."""
    if inspect.isclass(function) or not callable(function):
        raise ConfigError(f"{title}: an async function is expected, and not {shown(function)}")
    called = function if inspect.isroutine(function) else getattr(function, "func", type(function).__call__)
    if not inspect.iscoroutinefunction(called):
        raise ConfigError(f"{title}: {shown(function)} is not async: write `async def`")


def messages(answer: object, language: str, title: str = "a handler returned") -> list[Outgoing]:
    """What a function has returned as messages: none for None. Raises `ProgramError` for what can't be sent."""
    if answer is None:
        return []
    if not is_text(answer) and not isinstance(answer, Outgoing):
        raise ProgramError(f"{title} {answer!r:.80}: {EXPECTED}")
    found = answer if isinstance(answer, Outgoing) else Outgoing(own(answer, language))
    if is_empty(found):
        raise ProgramError(f"{title} an empty text: {EXPECTED}")
    return [found]


def check_sent(what: object, buttons: object = ()) -> None:
    """Raise `ProgramError` if this can't be sent, or if these are no rows of buttons."""
    if not messages(what, "", "running.send got"):
        raise ProgramError(f"running.send got None: {EXPECTED}")
    check_rows(buttons)


def is_text(answer: object) -> TypeGuard[str | Mapping[str, str]]:
    """Whether this is a text: one for all languages, or one for each."""
    if isinstance(answer, Mapping):
        return bool(answer) and all(isinstance(one, str) for pair in answer.items() for one in pair)
    return isinstance(answer, str)


def is_empty(message: Outgoing) -> bool:
    """Whether a message has nothing to show."""
    return not (message.text.strip() or message.file or message.copy[0] or message.gone)


@contextmanager
def blaming(function: Callable[..., Any] | None) -> Iterator[None]:
    """Give each `ProgramError` that is raised inside, and has no place, that of a function."""
    try:
        yield
    except ProgramError as error:
        if not error.place and (place := _place(function)):
            error.place, error.args = place, (f"{error} ({place})",)
        raise


def _place(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno} in {function.__name__}" if code else ""


def check_model(name: str, model: Any) -> None:
    """Raise `ConfigError` if this is not a model: an object with `name`, `profile` and `stream`."""
    if inspect.isclass(model):
        raise ConfigError(f"model {name!r}: an object is expected, and {model.__name__} is a class: {model.__name__}()")
    if lacks := [part for part in ("name", "profile", "stream") if not hasattr(model, part)]:
        raise ConfigError(f"model {name!r}: {type(model).__name__} has no {' and no '.join(lacks)}")
    if not isinstance(model.profile, Profile):
        raise ConfigError(f"model {name!r}: its profile must be a Profile, and is {shown(model.profile)}")
    if inspect.iscoroutinefunction(model.stream):
        raise ConfigError(f"model {name!r}: stream must yield chunks (`async def` with `yield`), and returns instead")


def shown(thing: Any) -> str:
    """Return what a mistake is told with: the name of a function or class, or a value as Python writes it."""
    return f"{thing.__qualname__}" if hasattr(thing, "__qualname__") else f"{thing!r:.80}"


def called_as(example: str) -> Callable[[Method], Method]:
    """A decorator for methods of App: a call with missing, unknown or too many arguments is a `ConfigError` with an
    example of a right one.
    """

    def wrapped(method: Method) -> Method:
        signature = inspect.signature(method)

        @functools.wraps(method)
        def call(*given: Any, **named: Any) -> Any:
            try:
                signature.bind(*given, **named)
            except TypeError as error:
                raise ConfigError(f"{example} is expected: {error}") from None
            return method(*given, **named)

        return typing.cast(Method, call)

    return wrapped


EXPECTED = "a text, one for each language, an Outgoing (a file, buttons) or, for no answer, None is expected"
