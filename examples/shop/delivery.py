"""Step 4: a form, whose answers no crash loses."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from govorun import Ask, Contact, Incoming, Reply

from .app import app


class Delivery(BaseModel):
    """Where an order goes; each field is asked for, from the top."""

    street: str = Ask({"en": "Where to?", "ru": "Куда привезти?"}, min_length=3)
    time: Literal["morning", "evening"] = Ask({"en": "When?", "ru": "Когда?"})
    phone: Contact = Ask({"en": "Whom may we call?", "ru": "Кому позвонить?"})


@app.form("deliver", Delivery, {"en": "Say where to deliver", "ru": "Указать адрес доставки"})
async def deliver(incoming: Incoming, reply: Reply, order: Delivery) -> str:
    return f"We come to **{order.street}** in the {order.time} and call {order.phone.phone}."
