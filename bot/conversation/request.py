"""The request to the model in a turn (`RequestBuilder.request`), and the characters a token of each model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bot.ai import Request
from bot.config.settings import Settings
from bot.conversation.turn_state import REASONING, TEMPERATURES, TurnContext
from bot.extension import Hooks
from bot.llm import prompt
from bot.llm.routing import ModelOption
from bot.tools.toolbox import Steps, Toolbox
from bot.types import Message


@dataclass(frozen=True, slots=True)
class Options:
    """The operator's choices about answers.

    `history` is the most messages of a conversation that a request may hold, `deadline` the seconds an answer may
    take. With `names_topics` and `summaries` a cheap model titles and summarises conversations in the background.
    `thumbs` puts 👍 and 👎 below answers; `thoughts` shows the reasoning of models.
    """

    system: str = ""
    temperature: float = 0.3
    max_tokens: int = 2000
    deadline: float = 120.0
    history: int = 60
    names_topics: bool = False
    summaries: bool = False
    thumbs: bool = False
    thoughts: bool = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Options:
        """Read the choices from the settings."""
        return cls(
            system=settings.system_prompt,
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            deadline=settings.answer_deadline,
            thoughts=settings.show_reasoning,
            names_topics=settings.name_chats,
            summaries=settings.summaries,
            thumbs=settings.feedback_buttons,
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """What the next request to a model will hold, without its question.

    `ratio` turns characters into tokens. `passages` are the most characters that passages of the documents add to it:
    they are chosen for each question. 0: there are no documents, or the request holds the whole of them.
    """

    context: TurnContext
    option: ModelOption
    request: Request
    ratio: prompt.Ratio
    passages: int = 0

    @property
    def tokens(self) -> int:
        """The tokens of the request: as many as a budget counts for it, or fewer."""
        return self.ratio.tokens(prompt.size(self.request) + self.passages)

    @property
    def said(self) -> tuple[int, int]:
        """How many messages of the conversation the request holds word for word, and their characters."""
        examples = self.context.persona.example_messages(self.context.language)
        said = [row for row in self.request.messages if row.role != "system" and row not in examples]
        documents = len(self.context.retrieved.text)
        if documents and said[-1].text.strip() == self.context.retrieved.text.strip():
            said, documents = said[:-1], 0  # the last message holds nothing but documents
        return len(said), sum(map(prompt.weight, said)) - documents

    @property
    def instructions(self) -> int:
        """The characters of the instructions and examples, without pinned facts and the summary."""
        system = sum(prompt.weight(row) for row in self.request.messages if row.role == "system")
        examples = self.context.persona.example_messages(self.context.language)
        shown = sum(prompt.weight(row) for row in examples if row in self.request.messages)
        return system + shown - len(self.context.preface)


@dataclass(slots=True, kw_only=True)
class RequestBuilder:
    """Builds requests to models, and learns from their usage how many characters a token has. `hooks` are a
    programmer's functions around the model.
    """

    options: Options = field(default_factory=Options)
    toolbox: Toolbox = field(default_factory=Toolbox)
    hooks: Hooks = field(default_factory=Hooks)
    _ratios: defaultdict[str, prompt.Ratio] = field(default_factory=lambda: defaultdict(prompt.Ratio))

    def ratio(self, option: ModelOption) -> prompt.Ratio:
        """The characters a token of this model; it learns for as long as the process runs."""
        return self._ratios[option.name]

    def request(
        self,
        context: TurnContext,
        option: ModelOption,
        steps: Steps,
        shrink: float = 1.0,
        *,
        tools: bool = True,
        follows: bool = False,
    ) -> Request:
        """The request to the model of `option` after these `steps` with tools. `tools` False offers the model no tools.

        `shrink` below 1 limits the prompt to that share of an earlier prompt, which the service found too long. With
        `follows` a model whose server remembers the conversation is told which answer the request follows.
        """
        profile, ratio, persona, options = option.model.profile, self.ratio(option), context.persona, self.options
        profile = profile if tools else replace(profile, tools=False)
        said = prompt.informed(context.messages, context.material)
        request = prompt.build(
            "\n\n".join(
                filter(
                    None,
                    (persona.system_prompt(context.language, options.system), context.instructions, context.preface),
                )
            ),
            said,
            self.toolbox.narrowed(profile, steps, ratio, context.language),
            ratio,
            max_tokens=persona.max_tokens or options.max_tokens,
            temperature=TEMPERATURES.get(
                context.choices.temperature,
                options.temperature if persona.temperature is None else persona.temperature,
            ),
            shrink=shrink,
            language=context.language,
        )
        if follows and profile.remembers:
            request = _following(request, said, context, option)
        mode = REASONING.get(context.choices.reasoning, "") if profile.reasoning else ""
        return self.toolbox.equipped(replace(request, reasoning=mode), profile, steps, context.language)


def _following(request: Request, said: Sequence[Message], context: TurnContext, option: ModelOption) -> Request:
    """The request, made of `said`, as one that follows the newest answer of this model which its server remembers.

    The answer must be of the same persona, whose examples stand before it. One that other words of the bot follow does
    not count: a request joins them.
    """
    for at in reversed(range(len(context.branch))):
        row, later = context.branch[at], said[len(said) - len(context.history) + at + 1 :]
        if row.response and (row.model, row.persona) == (option.name, context.persona.label):
            if not later or later[0].role != "user":
                return request
            whole = sum(message.role != "system" for message in request.messages)
            new = len(prompt.turns(later, option.model.profile, context.language))
            return replace(request, previous=row.response, known=max(whole - new, 0))
    return request
