"""A form and a question: each answer is on disk before the next question is asked, so a restart forgets nothing.

python examples/form_bot.py
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, field_validator

from govorun import App, Ask, Contact, Incoming, Photo, Reply

app = App(system_prompt="You deliver flowers.")


class Delivery(BaseModel):
    """What has to be known of a delivery, in the order in which it is asked."""

    size: Literal["S", "L"] = Ask(
        {"en": "Which bunch?", "ru": "Какой букет?", "de": "Welcher Strauß?"},
        labels={
            "S": {"en": "Small", "ru": "Маленький", "de": "Klein"},
            "L": {"en": "Large", "ru": "Большой", "de": "Groß"},
        },
    )
    street: str = Ask({"en": "Where to?", "ru": "Куда привезти?", "de": "Wohin?"}, min_length=3)
    day: date = Ask(
        {"en": "On which day? (2027-03-31)", "ru": "В какой день? (2027-03-31)", "de": "An welchem Tag? (2027-03-31)"}
    )
    phone: Contact = Ask({"en": "Whom may we call?", "ru": "Кому позвонить?", "de": "Wen rufen wir an?"})
    door: Photo | None = Ask(
        {"en": "A photo of the door?", "ru": "Фото двери?", "de": "Ein Foto der Tür?"}, default=None
    )

    @field_validator("street")
    @classmethod
    def _in_town(cls, street: str) -> str:
        if "moon" in street.lower():
            raise ValueError("We do not deliver to the Moon.")
        return street


@app.form("deliver", Delivery, {"en": "Order flowers", "ru": "Заказать цветы", "de": "Blumen bestellen"})
async def deliver(incoming: Incoming, reply: Reply, order: Delivery) -> str:
    door = "a door" if order.door else "no door"
    return f"{order.size} to **{order.street}** on {order.day:%d.%m.}, {order.phone.phone}, {door}"


@app.command("rename", "Change your name on the card")
async def rename(incoming: Incoming, reply: Reply) -> str:
    name = await reply.ask({"en": "What shall the card say?", "ru": "Что написать на открытке?"})
    times = await reply.ask("How many cards?", int)
    return f"{times} × {name}"


if __name__ == "__main__":
    app.run()
