"""What programmers add around a message: the decorators of `App` for middleware, buttons and forms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel

from bot.extension import About, Answer, By, Extension, Middleware, OwnCommand, OwnPress, Pressed, Reply
from bot.extension.forms import prompts
from bot.types import Incoming

Function = TypeVar("Function", bound=Pressed)
Form = TypeVar("Form", bound=BaseModel)
Filled = Callable[[Incoming, Reply, Form], Awaitable[Answer]]


class Handlers:
    """The decorators of `App` for what stands around a message. They put functions into its `extension`."""

    extension: Extension

    def middleware(self, function: Middleware) -> Middleware:
        """Put an `async (incoming, reply, next) -> Answer` around everything that people do: messages, presses, edits,
        questions to the model. The first one that is added is the outermost.

        `return await next(incoming, reply)` goes on. What is returned without it is the answer: a text, an `Outgoing`,
        or None for no answer. People without access do not get this far, and Stop is never held up.
        """
        self.extension.middleware.append(function)
        return function

    def press(
        self, name: str, *, by: By = "asker", once: bool = False, replaces: bool = False
    ) -> Callable[[Function], Function]:
        """Add the function that buttons call: `Button("Buy", "buy", item="lamp")` calls that of `@app.press("buy")`,
        an `async (incoming, reply, item: str) -> Answer`.

        `by` says who may press: "asker", "all" or "owners". `once`: a press that was handled is the last one.
        `replaces`: the answer is written over the message with the button.
        """

        def add(run: Function) -> Function:
            self.extension.presses.append(OwnPress(name, run, by, once, replaces))
            return run

        return add

    def form(self, word: str, form: type[Form], about: About = "") -> Callable[[Filled[Form]], Filled[Form]]:
        """Add the command /`word`, which asks the fields of `form` one after the other, and then calls the function, an
        `async (incoming, reply, form) -> Answer`. A form is a pydantic model whose fields are made by `Ask`.

        `Button("Order", word)` begins the form, too. Raises `TypeError` for a field without a question or a default.
        """
        prompts(form)

        def add(function: Filled[Form]) -> Filled[Form]:
            async def fill(incoming: Incoming, reply: Reply) -> Answer:
                return await function(incoming, reply, await reply.ask(form))

            self.extension.commands.append(OwnCommand(word, fill, about))
            self.extension.presses.append(OwnPress(word, fill))
            return function

        return add
