"""Cases in a test: `evaluate` asks them of your bot, beside the people of the test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bot import App
from bot.clock import SystemClock
from bot.config.settings import has_key
from bot.evaluation.results import Result
from bot.extension import OwnCase
from bot.runtime.opening import open_evaluation
from bot.runtime.optional.evaluation import Beside

if TYPE_CHECKING:
    from bot.testing.stage import Stage

NOBODY = 1  # the id of a bot without a token


async def evaluate(cases: Path | Sequence[OwnCase] | None, app: App, stage: Stage | None = None) -> Sequence[Result]:
    """Ask a folder of cases, or some (None: only those of `App.case`), and return what became of each; those of
    `App.case` are asked, too.

    With a `stage` the models, sources and the database of the test answer, otherwise what the settings of `app` name,
    with an empty database: models of your own, or AI Studio with a key, which costs money. Raises `BadInput`.
    """
    given = list(cases) if cases is not None and not isinstance(cases, Path) else []
    folder = cases if isinstance(cases, Path) else None
    beside = Beside(folder=folder, own=[*app.extension.ai.cases, *given])
    with TemporaryDirectory() as place:
        database = f"sqlite+aiosqlite:///{place}/govorun.db"
        settings = stage.settings if stage is not None else app.settings(database_url=database)
        app.extension.ai.only_models = bool(app.extension.ai.models) and not has_key(settings)
        clock = stage.clock if stage is not None else SystemClock()
        bot = settings.bot_id if settings.bot_token.get_secret_value() else NOBODY
        async with open_evaluation(settings, bot, beside, app.extension, clock) as evaluation:
            return await evaluation.run(await evaluation.cases())
