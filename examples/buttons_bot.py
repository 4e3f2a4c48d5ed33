"""Buttons of your own: what they do is a function, and what they are about stays in the database.

python examples/buttons_bot.py
"""

from __future__ import annotations

from decimal import Decimal

from govorun import Answer, App, Button, Incoming, Outgoing, Reply

app = App(system_prompt="You sell lamps.", without=["image", "write", "persona"])
PRICES = {"lamp": Decimal("19.90"), "candle": Decimal("2.50")}
ORDERS: list[tuple[int, str]] = []


@app.command("shop", {"en": "What we sell", "ru": "Что есть в продаже"})
async def shop(incoming: Incoming, reply: Reply) -> Outgoing:
    rows = [[Button(f"{item}: {price}", "buy", item=item, price=price)] for item, price in PRICES.items()]
    return Outgoing("What will it be?", buttons=rows)


@app.press("buy", replaces=True)
async def buy(incoming: Incoming, reply: Reply, item: str, price: Decimal) -> Outgoing:
    pay = Button("Pay", "pay", item=item)
    return Outgoing(f"**{item}** for {price + 1} with delivery", buttons=[[pay, Button("Back", "back")]])


@app.press("pay", once=True)
async def pay(incoming: Incoming, reply: Reply, item: str) -> str:
    ORDERS.append((incoming.user.id, item))
    return f"Paid: {item}. Thank you!"


@app.press("back", replaces=True)
async def back(incoming: Incoming, reply: Reply) -> Answer:
    return await shop(incoming, reply)


if __name__ == "__main__":
    app.run()
