"""Functions around the model: what it is told about the customer, what it may read, and what it may not say.

python examples/guarded_bot.py
"""

from __future__ import annotations

from govorun import App, Preparation, Review, ToolContext

app = App(system_prompt="You work in a bookshop.")
CUSTOMERS = {1001: "Anna, a member since 2019: ten per cent off"}
NEWS = "The new shop in Elm Street opens on Monday."


@app.instructions
async def who_asks(asker: ToolContext) -> str:
    return f"The customer: {CUSTOMERS.get(asker.user, 'somebody new')}."


@app.before_answer
async def look_up(asker: ToolContext, question: str) -> Preparation | None:
    if "medicine" in question:
        return Preparation(refusal="We only sell books.")
    if "shop" in question:
        return Preparation(passages=[NEWS], model="yandexgpt-5-lite")
    return None


@app.after_answer
async def no_promises(asker: ToolContext, question: str, answer: str) -> Review | None:
    if "free of charge" in answer:
        return Review(refusal="A colleague will answer this.")
    if "€" in answer:
        return Review(note="prices may change")
    return None


if __name__ == "__main__":
    app.run()
