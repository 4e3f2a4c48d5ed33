"""`govorun run`: the bot on Telegram. Begin with `run`."""

from __future__ import annotations

import gc

from bot.app import chosen_app
from bot.errors import ConfigError
from bot.ports import ProcessRole

# After so many collections of younger objects the garbage collector looks at all objects. While a start imports
# modules these full collections find nothing and take 0.2 s of 1.8; once they are imported, `runtime/main.py` sets
# another number.
SELDOM = 1_000


def run(role: ProcessRole = ProcessRole.ALL) -> None:
    """Run the App of this command, or the bots of the settings, until they are stopped. Raises `ConfigError`."""
    gc.set_threshold(*gc.get_threshold()[:2], SELDOM)
    from bot.config import multi_bot
    from bot.config.settings import load, misspelt
    from bot.doctor.examination import find_problems
    from bot.runtime import main
    from bot.telemetry import logging

    if found := chosen_app.find_app():
        found.serve(found.settings(), role)
        return
    settings = load()
    try:
        plan = multi_bot.plan(settings, load, studio=role.works)
    except ConfigError as error:
        hints = [*misspelt(), "To try the bot without any account: govorun sandbox"]
        raise ConfigError("\n".join([str(error), *hints])) from None
    with logging.standard_streams():
        logging.configure(settings.log_level, plan.secrets(), settings.log_format)
        main.run(plan, lambda: multi_bot.plan(load(), load, studio=role.works), role=role, problems=find_problems)
