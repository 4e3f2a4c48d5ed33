"""`python -m bot.texts` prints all sentences of the bot in English as TOML, to be translated for `App(texts=...)`."""

from bot.texts.added import template

print(template(), end="")  # noqa: T201  a translator writes it into a file
