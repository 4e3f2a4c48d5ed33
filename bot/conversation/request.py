"""What a model is asked in a turn (`RequestBuilder.request`), and how many tokens its characters come to."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from bot.ai import Request
from bot.conversation.turn_state import REASONING, TurnContext
from bot.llm import prompt
from bot.llm.routing import ModelOption
from bot.tools.toolbox import Steps, Toolbox


@dataclass(frozen=True, slots=True)
class Options:
    """How to answer. `history` is the number of messages that are looked at, before the budget cuts further.

    `names_topics` and `summaries`: a cheap model does that in the background. `thoughts`: what a model thinks may be
    seen.
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


@dataclass(slots=True, kw_only=True)
class RequestBuilder:
    options: Options = field(default_factory=Options)
    toolbox: Toolbox = field(default_factory=Toolbox)
    _ratios: defaultdict[str, prompt.Ratio] = field(default_factory=lambda: defaultdict(prompt.Ratio))

    def ratio(self, offer: ModelOption) -> prompt.Ratio:
        return self._ratios[offer.name]

    def request(
        self, context: TurnContext, offer: ModelOption, steps: Steps, shrink: float = 1.0, *, tools: bool = True
    ) -> Request:
        """What the model of `offer` is asked after these `steps`; without `tools` it can call none.

        `shrink`: at most so much of the prompt that was too long before.
        """
        profile, ratio, persona, options = offer.model.profile, self.ratio(offer), context.persona, self.options
        profile = profile if tools else replace(profile, tools=False)
        request = prompt.build(
            "\n\n".join(filter(None, (persona.orders(context.language, options.system), context.preface))),
            prompt.informed(context.shown, context.found.text),
            self.toolbox.narrowed(profile, steps, ratio, context.language),
            ratio,
            max_tokens=persona.max_tokens or options.max_tokens,
            temperature=options.temperature if persona.temperature is None else persona.temperature,
            shrink=shrink,
            language=context.language,
        )
        mode = REASONING.get(context.choices.reasoning, "") if profile.reasoning else ""
        return self.toolbox.equipped(replace(request, reasoning=mode), profile, steps, context.language)
