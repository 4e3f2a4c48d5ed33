"""What programmers add around a message: the decorators of `App` for middleware, buttons, forms, and for what
stands around the model.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, get_args, overload

from pydantic import BaseModel

from bot.errors import ConfigError
from bot.extension import (
    About,
    AfterAnswer,
    Answer,
    BeforeAnswer,
    By,
    Extension,
    Instructions,
    Middleware,
    OwnCommand,
    OwnPress,
    Pressed,
    Reply,
    mistakes,
)
from bot.extension.forms import prompts
from bot.types import Incoming

Function = TypeVar("Function", bound=Pressed)
Form = TypeVar("Form", bound=BaseModel)
Filled = Callable[[Incoming, Reply, Form], Awaitable[Answer]]


class Handlers:
    """The decorators of `App` for what stands around a message. They put functions into its `extension`."""

    extension: Extension

    def add_feature(self, feature: type[Any]) -> type[Any]:
        """Add a feature: a class whose decorated methods are its handlers, as those of Govorun itself are
        (`govorun.handlers`). It is made for each bot with the parts that its fields name. Returns it unchanged.
        """
        mistakes.check_feature(feature)
        self.extension.before_start.handlers.features.append(feature)
        return feature

    def middleware(self, function: Middleware) -> Middleware:
        """Put an `async (incoming, reply, next) -> Answer` around everything that people do: messages, presses, edits,
        questions to the model. The first one that is added is the outermost.

        `return await next(incoming, reply)` goes on. What is returned without it is the answer: a text, an `Outgoing`,
        or None for no answer. People without access do not get this far, and Stop is never held up.
        """
        mistakes.check_function("middleware", function, ("incoming", "reply", "next"))
        self.extension.before_start.handlers.middleware.append(function)
        return function

    def press(
        self, name: str, *, by: By = "asker", once: bool = False, replaces: bool = False
    ) -> Callable[[Function], Function]:
        """Add the function that buttons call: `Button("Buy", "buy", item="lamp")` calls that of `@app.press("buy")`,
        an `async (incoming, reply, item: str) -> Answer`.

        `by` says who may press: "asker", "all" or "owners". `once`: a press that was handled is the last one.
        `replaces`: the answer is written over the message with the button.
        """
        if not isinstance(name, str) or not name:
            raise ConfigError('@app.press needs a name: @app.press("buy")')
        if by not in get_args(By):
            raise ConfigError(f"press {name!r}: by is {', '.join(get_args(By))}, and not {by!r:.80}")

        def add(run: Function) -> Function:
            self.extension.add_press(OwnPress(name=name, run=run, by=by, once=once, replaces=replaces))
            return run

        return add

    @mistakes.called_as('@app.form("deliver", Delivery)')
    def form(self, word: str, form: type[Form], about: About = "") -> Callable[[Filled[Form]], Filled[Form]]:
        """Add the command /`word`, which asks the fields of `form` one after the other, and then calls the function, an
        `async (incoming, reply, form) -> Answer`. A form is a pydantic model whose fields are made by `Ask`.

        `Button("Order", word)` begins the form, too. Raises `ConfigError` for a field without a question or a default.
        """
        if not isinstance(form, type) or not issubclass(form, BaseModel):
            raise ConfigError(f"@app.form takes a pydantic model, and not {mistakes.shown(form)}")
        prompts(form)

        def add(function: Filled[Form]) -> Filled[Form]:
            mistakes.check_function(f"form /{word}", function, ("incoming", "reply", "form"))

            async def fill(incoming: Incoming, reply: Reply) -> Answer:
                return await function(incoming, reply, await reply.ask(form))

            self.extension.add_command(OwnCommand(word, fill, about))
            self.extension.add_press(OwnPress(word, fill))
            return function

        return add

    def instructions(self, function: Instructions) -> Instructions:
        """Tell models about the asker, now: an `async (asker: ToolContext) -> str`, whose text is added to the system
        prompt of every answer.

        Like all functions around the model it has 20 seconds; if it fails, there is no answer. The text of a
        `UserError` is sent in place of an answer.
        """
        mistakes.check_function("instructions", function, ("asker",))
        self.extension.before_start.ai.hooks.instructions.append(function)
        return function

    def before_answer(self, function: BeforeAnswer) -> BeforeAnswer:
        """Look at a question before a model does: an `async (asker: ToolContext, question: str) -> Preparation | None`,
        which adds passages, chooses another model, or refuses.
        """
        mistakes.check_function("before_answer", function, ("asker", "question"))
        self.extension.before_start.ai.hooks.before.append(function)
        return function

    @overload
    def after_answer(self, function: AfterAnswer, /) -> AfterAnswer:
        """Look at an answer that nobody has seen."""

    @overload
    def after_answer(self, /, *, hold: bool = True) -> Callable[[AfterAnswer], AfterAnswer]:
        """Look at an answer, which without `hold` is shown while it is written."""

    def after_answer(
        self, function: AfterAnswer | None = None, /, *, hold: bool = True
    ) -> AfterAnswer | Callable[[AfterAnswer], AfterAnswer]:
        """Look at an answer before it is sent: an `async (asker: ToolContext, question: str, answer: str) -> Review |
        None`, which replaces it, adds a note, or refuses it.

        `hold`: nobody sees the answer before. Otherwise it is shown while it is written, and replaced or marked at its
        end. An answer that was stopped or broke off is looked at, too.
        """

        def add(function: AfterAnswer) -> AfterAnswer:
            mistakes.check_function("after_answer", function, ("asker", "question", "answer"))
            self.extension.before_start.ai.hooks.after.append(function)
            self.extension.ai.hooks.holds |= hold
            return function

        return add if function is None else add(function)
