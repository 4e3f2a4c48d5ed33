"""`python -m bot` is the command `govorun`."""

from bot.cli import main

main()
