"""The greeting of a persona, with suggested questions as buttons. Begin with `welcome`."""

from __future__ import annotations

from bot.outbox import delivery_key
from bot.prompts.library import Library
from bot.prompts.schema import Persona, said
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Button, Incoming, Outgoing

MOST_SUGGESTIONS = 6


def welcome(tx: Tx, incoming: Incoming, library: Library) -> Outgoing:
    """The answer to /start: the greeting of the chat's persona, or else the bot's, with suggested questions."""
    language, persona = incoming.language, library.persona(incoming.chat.persona)
    text = greeting(persona, incoming, language) or say(language, "start", name=incoming.user.name)
    return Outgoing(text, plain=True, buttons=suggested(tx, incoming, persona, language))


def greeting(persona: Persona, incoming: Incoming, language: str) -> str:
    """The persona's greeting with the user's name; "" if it has none."""
    return said(persona.greeting, language, "").strip().replace("{name}", incoming.user.name)


def suggested(
    tx: Tx, incoming: Incoming, persona: Persona, language: str, number: int = 0
) -> tuple[tuple[Button, ...], ...]:
    """A button for each question that the persona suggests. Only the user of `incoming` can press them.

    `number` is the place of the message with the buttons among the answers of the turn.
    """
    where, user, delivery = incoming.address, incoming.user.id, delivery_key(incoming.id, number)
    questions = said(persona.suggestions, language, ())[:MOST_SUGGESTIONS]
    return tuple(
        (tx.buttons.add_queued_button(where, delivery, user, question, "persona.ask", question=question),)
        for question in questions
    )
