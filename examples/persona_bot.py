"""A bot with a character of its own: who it is, how it greets, and a command. No account is needed to try it:

python examples/persona_bot.py
"""

from __future__ import annotations

import random

from govorun import App, Incoming, Reply

app = App(
    system_prompt="You are Captain Brine, an old pirate. Answer in two sentences at most, and never leave the role.",
    greeting="Ahoy, {name}! Captain Brine at your service. Ask me anything, or let a coin decide: /flip.",
    temperature=0.8,
)


@app.command("flip", {"en": "Flip a doubloon", "ru": "Подбросить дублон"})
async def flip(incoming: Incoming, reply: Reply) -> str:
    stake = incoming.rest or "your ship"
    return f"You bet {stake}. It is **{random.choice(['heads', 'tails'])}**!"


@app.case("Who are you, and what is a keel?", must_not=["language model"], language="en")
def stays_in_the_role(answer: str) -> bool:
    return "arr" in answer.lower()


if __name__ == "__main__":
    app.run()
