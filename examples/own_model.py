"""A model of your own beside those of AI Studio, or instead of them: a class with a name, a profile and a stream.

python examples/own_model.py
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from govorun import App, Chunk, Finish, Profile, Request


class Backwards:
    """It answers with the question, read from its end. Yours would ask a server here and yield what comes."""

    name = "backwards"
    profile = Profile(window=4_000)

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        for word in reversed(request.messages[-1].text.split()):
            yield Chunk(text=word + " ")
        yield Chunk(finish=Finish.STOP)


app = App()
app.model("backwards", Backwards(), title="Backwards")

if __name__ == "__main__":
    app.run()
