"""The models in a test: what they answer, how they fail, what they were asked. Begin with `StudioSide.says`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.sandbox.ai_studio.server import Answer, Studio
from bot.sandbox.ai_studio.wire import ReceivedRequest
from bot.sandbox.guard import Json

TEXTS = ("completion", "chat/completions")


@dataclass(frozen=True, slots=True)
class StudioSide:
    """The models as a test sees them. `server` is the sandbox's whole AI Studio, for everything else."""

    server: Studio

    def says(self, *answers: str | list[str] | Answer) -> None:
        """Queue the next answers of any model, in order: each a text, or a list of the pieces in which it
        is streamed.
        """
        self.server.script(*answers)

    def calls(self, tool: str, /, **arguments: Any) -> None:
        """Let the next answer be a call of this tool. The answer to the tool's result is the next one of `says`."""
        self.server.script(Answer(status="TOOL_CALLS", calls=[(tool, arguments)]))

    def fails(self, status: int = 503, times: int = 1, *, route: str = "*") -> None:
        """Answer the next requests with an error. `route` limits it: "completion", "imageGenerationAsync", ..."""
        self.server.fail_next(route, status=status, times=times)

    def breaks(self, after_chunks: int = 1, times: int = 1) -> None:
        """Break off the next answers after so many pieces."""
        for route in TEXTS:
            self.server.fail_next(route, cut="reset", after_chunks=after_chunks, times=times)

    @property
    def prompts(self) -> list[list[tuple[str, str]]]:
        """What the models were asked: role and text of each message, one list for each request."""
        return [[_said(message) for message in seen.body["messages"]] for seen in self.requests]

    @property
    def questions(self) -> list[str]:
        """The last message of each prompt."""
        return [prompt[-1][1] for prompt in self.prompts]

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The requests for texts, failed ones included, oldest first."""
        return [seen for seen in self.server.requests if seen.route in TEXTS]


def _said(message: Json) -> tuple[str, str]:
    results = message.get("toolResultList", {}).get("toolResults", [])
    found = "\n".join(result["functionResult"]["content"] for result in results)
    content = message.get("text") or message.get("content") or found
    if isinstance(content, list):
        content = "\n".join(part.get("text", "") for part in content)
    return str(message.get("role", "")), str(content)
