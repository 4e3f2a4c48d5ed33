"""Which model draws: the first one that the folder of AI Studio has. Begin with `PictureModels.submit`.

A model that the folder does not have, or whose operations stay undone, is put aside for a day, and the owners are told
once. The database remembers it, so that a restart buys no picture to find it out again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from bot.access.policy import Role
from bot.access.rights import Rights
from bot.ai import Failed, Finished, ImageModel, ImageRequest, Pending
from bot.errors import ModelDenied
from bot.storage.store import Store, Tx
from bot.storage.tables.evaluation import ModelState
from bot.texts.catalog import say
from bot.types import Address

DAY = 86_400.0
OPERATIONS = "yandex-art"  # whose operations, ordered before there was a choice, have an id without a name


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureModels:
    """The models that may draw for a bot, by name, in the order in which they are tried.

    `deliver` sends what was stored for the owners, whom `rights` knows.
    """

    models: Mapping[str, ImageModel]
    store: Store
    bot: int
    rights: Rights
    deliver: Callable[[str, Sequence[Address]], None]

    async def submit(self, drawing: ImageRequest, skip: Collection[str] = ()) -> tuple[str, str | Finished | Failed]:
        """Draw with the first model that the folder has and that is not in `skip`.

        Returns the id to `poll`, which names the model, and the picture if there is one at once. Raises what the first
        model raises if none can draw.
        """
        refused: dict[str, ModelDenied] = {}
        for name in await self.store.read(lambda tx: self._usable(tx, skip)):
            try:
                found = await self.models[name].submit(drawing)
            except ModelDenied as error:
                refused[name] = error
                continue
            if refused:  # the key is good, so it is these models that are missing
                await self._remember(refused, name)
            return f"{name}/{found if isinstance(found, str) else ''}", found
        raise next(iter(refused.values()))

    async def poll(self, operation: str) -> Pending | Finished | Failed:
        """Ask the model that draws this operation whether it is there."""
        name, _, id_ = operation.rpartition("/")
        model = self.models.get(name or OPERATIONS)
        return await model.poll(id_) if model else Failed(f"the model {name or OPERATIONS} is not set up any more")

    @property
    def first(self) -> str:
        """The model that is tried first."""
        return next(iter(self.models))

    def takes_seed(self, operation: str) -> bool:
        """Whether the model that drew this operation draws the same picture again from the same seed."""
        model = self.models.get(drawn_by(operation))
        return model is None or model.takes_seed

    def put_aside(self, tx: Tx, name: str, reason: str, instead: str = "") -> Sequence[Address]:
        """Let a model rest for a day. Returns the chats of the owners for whom a message was stored."""
        now = self.store.clock.time()
        tx.put(ModelState(bot=self.bot, model=_key(name), version="aside", down=now + DAY))
        other = instead or next(iter(self._usable(tx, (name,))), "")
        return self.rights.tell(
            tx,
            self.bot,
            f"art-{name}-{int(now // DAY)}",
            lambda language: say(language, "image.model.aside", model=name, reason=reason[:200], other=other),
            Role.OWNER,
        )

    def _usable(self, tx: Tx, skip: Collection[str] = ()) -> Sequence[str]:
        """The models that do not rest; all of them if all rest."""
        now, names = self.store.clock.time(), [name for name in self.models if name not in skip]
        rested = [name for name in names if tx.evaluations.find_state(self.bot, _key(name)).down <= now]
        return rested or names

    async def _remember(self, refused: Mapping[str, ModelDenied], instead: str) -> None:
        def work(tx: Tx) -> set[Address]:
            chats = (self.put_aside(tx, name, str(error), instead) for name, error in refused.items())
            return {chat for some in chats for chat in some}

        self.deliver("", [*await self.store.write(work)])


def drawn_by(operation: str) -> str:
    """Return the name of the model in the id of a picture's operation."""
    return operation.rpartition("/")[0] or OPERATIONS


def _key(name: str) -> str:
    return f"art {name}"[:200]
