"""A third language, other words, and sentences of your own with plural forms: a folder with a file for each language.

python examples/german_bot.py
"""

from __future__ import annotations

from pathlib import Path

from govorun import App, Incoming, Reply, say

app = App(
    system_prompt="You sell tea. Answer in the language of the question.",
    texts=Path(__file__).parent / "texts",
    greeting={"en": "Hello, {name}! Tea?", "ru": "Здравствуйте, {name}! Чаю?", "de": "Hallo {name}, ein Tee?"},
)


@app.command("cart", {"en": "What is in the basket", "ru": "Что в корзине", "de": "Was im Korb liegt"})
async def cart(incoming: Incoming, reply: Reply) -> str:
    count = int(incoming.rest or 1)
    return f"{say(incoming.language, 'cart.items', count=count)}. {say(incoming.language, 'cart.days', count=count)}."


if __name__ == "__main__":
    app.run()
