"""Looks once a day at which models the folder of AI Studio has, so that a model that is switched off stops nothing.

Begin with `ModelWatch.look`; `model_watch` makes one. A default that is gone is replaced by the next model of its
kind. What an operator has chosen stays as it is. The owners are told of both, and of models that end soon, once.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from bot.access.policy import Role
from bot.access.rights import Rights
from bot.clock import Clock
from bot.errors import ModelDenied, ModelError
from bot.providers import catalog
from bot.runtime.models import replace_model
from bot.runtime.parts import Given
from bot.storage.store import Store
from bot.texts.catalog import say
from bot.types import Address

if TYPE_CHECKING:
    from bot.runtime.bot import Bot

log = logging.getLogger(__name__)

DAY = 86_400.0  # seconds between two looks
AGAIN = 600.0  # ... after one that failed
SOON = timedelta(days=30)
Notice = tuple[str, Mapping[str, str]]  # the key of a text, and its values


@dataclass(frozen=True, slots=True)
class UsedModel:
    """A model of AI Studio that this bot asks. `setting` names it; "" for a default, which may be replaced."""

    name: str
    setting: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelService:
    """What the watch asks AI Studio. `list_names` returns the names of the folder's models, without versions; `answers`
    says whether a model is there all the same; `replace` lets the second model take the place of the first.
    """

    list_names: Callable[[], Awaitable[Collection[str]]]
    answers: Callable[[str], Awaitable[bool]]
    replace: Callable[[str, str], None]


@dataclass(slots=True, kw_only=True)
class ModelWatch:
    """Watches the models `used` by one bot. `deliver` sends what was stored for the owners."""

    store: Store
    bot: int
    used: Sequence[UsedModel]
    service: ModelService
    rights: Rights
    deliver: Callable[[str, Sequence[Address]], None]
    _replaced: dict[str, str] = field(default_factory=dict, init=False)

    @property
    def clock(self) -> Clock:
        """The clock of the store."""
        return self.store.clock

    async def run(self) -> None:
        """Look once a day until cancelled; a look that fails is repeated after some minutes."""
        while True:
            try:
                await self.look()
                wait = DAY
            except ModelError as error:
                log.info("the models of the folder can't be read now: %s", error)
                wait = AGAIN
            await self.clock.sleep(wait)

    async def look(self) -> None:
        """Read the models of the folder, replace the defaults that are gone, and tell the owners what has changed."""
        names = await self.service.list_names()
        notices = [notice for one in self.used for notice in await self._notices(one, names)]
        if not notices:
            return
        for key, values in notices:
            log.warning("models: %s", say("en", key, **values))
        mark = hashlib.sha256(repr(notices).encode()).hexdigest()[:16]

        def text(language: str) -> str:
            return "\n\n".join(say(language, key, **values) for key, values in notices)

        told = await self.store.write(lambda tx: self.rights.tell(tx, self.bot, f"models-{mark}", text, Role.OWNER))
        self.deliver("", told)

    async def _notices(self, used: UsedModel, names: Collection[str]) -> Sequence[Notice]:
        name = self._replaced.get(used.name, used.name)
        bare = catalog.parts(name)[0]
        if bare in names:
            return ends_soon(name, datetime.fromtimestamp(self.clock.time(), UTC).date())
        if await self.service.answers(name):  # a list may leave out what the folder has
            return ()
        new = catalog.next_of_kind(bare, names)
        if not new:
            return [("models.gone.nothing", {"old": name})]
        if used.setting:
            return [("models.gone.chosen", {"old": name, "new": new, "setting": used.setting})]
        self.service.replace(name, new)
        self._replaced[used.name] = new
        return [("models.gone.default", {"old": name, "new": new})]


def ends_soon(name: str, today: date) -> Sequence[Notice]:
    """Say which model follows one that ends within 30 days by the catalogue; nothing for any other."""
    row = catalog.known(name)
    if row is None or row.until is None or row.until - today > SOON:
        return ()
    return [("models.ends", {"model": name, "until": row.until.isoformat(), "new": row.successor or "-"})]


def model_watch(bot: Bot, given: Given) -> ModelWatch:
    """The watch over the models that the bot asks: its defaults, and those that the operator has named."""
    settings, studio = given.settings, given.models.studio
    chosen = settings.model_fields_set
    used = [UsedModel(row.name, "MODELS") for row in settings.models if not row.url and not row.agent and not row.uri]
    if not settings.models:
        used = [UsedModel(row.name) for row in catalog.BUILT_IN]
    if settings.model not in {*(one.name for one in used), *(one.name for one in given.added.ai.models)}:
        used = [UsedModel(settings.model, "MODEL" if "model" in chosen else ""), *used]
    if settings.helper_model not in {one.name for one in used}:
        used = [*used, UsedModel(settings.helper_model, "HELPER_MODEL" if "helper_model" in chosen else "")]

    async def answers(name: str) -> bool:
        tokenizer = studio.tokenizer(name)  # it is free; models without one are all in the list
        try:
            return tokenizer is not None and await tokenizer.count("1") > 0
        except ModelDenied:
            return False

    async def list_names() -> Collection[str]:
        return {catalog.parts(uri)[0] for uri in await studio.list_models()}

    return ModelWatch(
        store=given.store,
        bot=given.api.id,
        used=used,
        service=ModelService(
            list_names=list_names,
            answers=answers,
            replace=partial(replace_model, given.models, given.store.clock),
        ),
        rights=bot.joining.rights,
        deliver=bot.joining.deliver,
    )
