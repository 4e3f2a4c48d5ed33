"""What there is for an answer beside the sources: `given` looks for it before a model is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.ai import Profile
from bot.conversation.question.rewriting import leans
from bot.conversation.turn_state import TurnContext
from bot.knowledge.answer.carrying import is_russian
from bot.knowledge.answer.evidence import Given
from bot.knowledge.stems import stems
from bot.tools.tool import Tool
from bot.types import Image, Message


def given(context: TurnContext, question: str, profile: Profile, tools: Iterable[Tool]) -> Given:
    """What there is for the answer of a model with this `profile` to a question. Tools are of no use to a model that
    calls none.
    """
    there = [tool for tool in tools if profile.tools]
    fits = bool(context.steps.messages) or any(_is_called_for(tool, question) for tool in there)
    return Given(
        tuple(context.passages),
        picture=profile.vision and _is_about_picture(context, question),
        tools=fits or any(_may_help(tool, question) for tool in there),
        called_for=fits,
    )


def _is_called_for(tool: Tool, question: str) -> bool:
    """Whether a question fits the pattern that a tool names (`Tool.about`)."""
    return bool(tool.about) and re.search(tool.about, question, re.IGNORECASE) is not None


def _may_help(tool: Tool, question: str) -> bool:
    """Whether a tool without a pattern may help: the question has a word of its name or description. One that is
    described in another language may always help.
    """
    if tool.about:
        return False
    parameters = tool.parameters.get("properties", {})
    named = " ".join((tool.name, *parameters)).replace("_", " ").replace("-", " ")
    told = f"{named} {tool.description}"
    return is_russian(told) != is_russian(question) or not set(stems(told)).isdisjoint(stems(question))


def _is_about_picture(context: TurnContext, question: str) -> bool:
    """Whether a picture came with the question, or with the one before it, on which it leans."""
    said = [message for message in context.history if message.role == "user"]
    return _shows(said[-1:]) or (leans(question) and _shows(said[-2:-1]))


def _shows(messages: Iterable[Message]) -> bool:
    return any(isinstance(part, Image) for message in messages for part in message.parts)
