"""A bot with tools: typed functions that the model may call. What changes something is done only after a tap.

python examples/tool_bot.py
"""

from __future__ import annotations

from typing import Annotated

from govorun import App, Tool

SHELF = {"Solaris": 2, "Roadside Picnic": 0}


async def stock(title: Annotated[str, "of the book, in English"] = "") -> dict[str, int]:
    """How many copies of a book are on the shelf; of all books when no title is given."""
    return {name: count for name, count in SHELF.items() if title.lower() in name.lower()}


async def lend(title: Annotated[str, "of the book, as stock tells it"]) -> str:
    """Lend a copy of a book to the user."""
    if not SHELF.get(title):
        return f"{title} is not on the shelf."
    SHELF[title] -= 1
    return f"{title} is lent, {SHELF[title]} left."


app = App(
    system_prompt="You work in a small library. Look at the stock before you promise a book.",
    tools=[
        Tool.of(stock, doing={"en": "looking at the shelf…", "ru": "смотрю на полку…"}),
        Tool.of(
            lend, needs_approval=True, asks={"en": "Lend {title} to you?", "ru": "Записать за вами книгу {title}?"}
        ),
    ],
)

if __name__ == "__main__":
    app.run()
