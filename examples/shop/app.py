"""Step 1: a bot with a character. Everything else is added to this `app`."""

from __future__ import annotations

from govorun import App

app = App(
    system_prompt="You work in a small lamp shop. Answer in two sentences at most, and never invent a price.",
    greeting={"en": "Hello, {name}! Have a look: /catalog", "ru": "Здравствуйте, {name}! Посмотрите: /catalog"},
    without=["image", "write"],
)
