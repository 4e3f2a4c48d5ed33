"""Messages as plain text, for messengers that show no markup: `shown`."""

from __future__ import annotations

from bot.types import Outgoing

NO_LIMIT = 1 << 60  # characters of a message


def shown(message: Outgoing) -> str:
    """Return a message as a text, for messengers that show no markup: the words without marks of Markdown (the address
    of a link stands in brackets behind it), the note, a line for each button.
    """
    if message.gone:
        return ""
    buttons = [f"[{button.label}]" for row in message.buttons for button in row]
    file = f"({message.file.name})" if message.file is not None else ""
    return "\n".join(filter(None, (_words(message), file, message.note, *buttons)))


def _words(message: Outgoing) -> str:
    if message.plain or not message.text:
        return message.text
    from bot.telegram.render import parse, pieces  # not at the top: programs that begin should not wait for it

    return "".join(piece.text for piece in pieces(parse(message.text), NO_LIMIT))
