"""Tunes models of AI Studio with a file of examples. Begin with `TuningWork.start`.

That a tuning is about to be started is committed first; a start whose outcome is unknown is looked for by its label
before it is repeated. The id of the task is what is kept: the service forgets operations after two weeks.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.batch.dataset_checks import CONVERSATION, CheckedFile, check_file, kind_of
from bot.batch.datasets import DatasetWork, raise_problems
from bot.batch.losses import Losses, read_losses
from bot.batch.planning import digest_of
from bot.batch.rows import Row
from bot.batch.vendor.values import EMBEDDING_PAIRS, EMBEDDING_TRIPLETS, MULTICLASS, MULTILABEL, PAIRS, Tuning
from bot.batch.vendor.work_folder import work_folder
from bot.batch.vendor_cleanup import LAG
from bot.errors import BadInput, ModelDenied, ModelRefused, ModelUnavailable, OutcomeUnknown
from bot.storage.store import Store
from bot.storage.tables.batch import StoredTuning

if TYPE_CHECKING:
    from bot.batch.vendor.studio import VendorStudio

LABEL = "govorun_tuning"
NAME = re.compile(r"[A-Za-z0-9 _-]{3,100}")
SHARE = 10  # one conversation of so many is for validation
FEWEST_VALIDATED = {PAIRS: 10, MULTICLASS: 100, MULTILABEL: 100}
LOOK = 10.0  # seconds between looks for what a lost start has begun
MOST_STARTS = 3
OVER = ("completed", "failed", "canceled", "archived")
BETTER = "better"  # the first word of the verdict on a model that is
BASES = {"yandexgpt-lite": "gpt", "classifier": "cls", "embeddings": "emb"}


@dataclass(frozen=True, slots=True)
class TuningPlan:
    """What a tuning needs from the vendor: the URI of the base model, the task type of the dataset, and the name of the
    field of TuningRequest that has the parameters.
    """

    base: str
    task_type: str
    parameters: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison of a tuned model with its base has shown. `sentence` begins with `BETTER` if the tuned one is
    better; `differences` are lines about the answers that differ.
    """

    sentence: str
    differences: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningWork:
    """Starts tunings of a bot, and asks how far they are."""

    store: Store
    vendor: VendorStudio
    datasets: DatasetWork
    bot: int

    def check(self, path: Path, base: str) -> tuple[TuningPlan, CheckedFile]:
        """Look through a file of examples for a base. Raises `BadInput` for what can't be tuned."""
        plan = plan_of(path, base, self.vendor.folder)
        checked = check_file(path, plan.task_type)
        raise_problems(path, checked)
        return plan, checked

    async def start(
        self, path: Path, plan: TuningPlan, checked: CheckedFile, name: str, given: Mapping[str, Any]
    ) -> int:  # fmt: skip
        """Upload the examples and start a tuning; `given` are parameters, by the vendor's names. Returns its number.

        Raises `BadInput` for a name or a parameter that the service does not take.
        """
        if not NAME.fullmatch(name):
            raise BadInput(f"--name {name}: 3 to 100 Latin letters, digits, spaces, _ and - are expected")
        split = Split(plan.task_type, checked.rows)
        digest = digest_of(path)
        train = await self._upload(path, digest, plan.task_type, f"{name} train", split.is_training)
        validation = ""
        if split.validates:
            validation = await self._upload(path, digest, plan.task_type, f"{name} check", split.is_validation)
        new = StoredTuning(
            bot=self.bot,
            token=secrets.token_hex(8),
            name=name,
            base=plan.base,
            kind=plan.task_type,
            digest=digest,
            train=train,
            validation=validation,
            system=checked.system,
            at=self.store.clock.time(),
        )
        tuning = await self.store.write(lambda tx: tx.add(new))
        await self.launch(tuning, plan.parameters, given)
        return tuning.id

    async def launch(self, tuning: StoredTuning, parameters: str, given: Mapping[str, Any]) -> None:
        """Start a tuning at the service, and store its task.

        If the service does not say whether it has begun, the tuning is looked for in its list, and started again only
        if it is not there. Raises `BadInput` if the service refuses it, `ModelUnavailable` after `MOST_STARTS` tries.
        """
        body = {
            "baseModelUri": tuning.base, "name": tuning.name, "labels": {LABEL: tuning.token},
            "trainDatasets": [{"datasetId": tuning.train, "weight": 1.0}],
            **({"validationDatasets": [{"datasetId": tuning.validation, "weight": 1.0}]} if tuning.validation else {}),
            parameters: dict(given),
        }  # fmt: skip
        for _ in range(MOST_STARTS):
            now = self.store.clock.time()
            await self.store.write(lambda tx, now=now: tx.change(tuning, intent=now))  # type: ignore[misc]
            try:
                task = await self.vendor.start_tuning(body)
            except ModelUnavailable as error:
                await self._keep(tuning, state="failed")
                quota = "the quota is 3 tunings an hour and 10 a day; the data stays, so start it again later"
                raise BadInput(f"the service does not begin it now ({error}); {quota}") from None
            except OutcomeUnknown as error:
                self.datasets.say(f"whether the tuning has begun is not known ({error}); looking for it")
                task = await self._look_for(tuning, now)
            except (ModelRefused, ModelDenied) as error:
                await self._keep(tuning, state="failed")
                raise BadInput(f"the service refuses the tuning: {error}") from None
            if task:
                await self._keep(tuning, task=task, state="created")
                return
        await self._keep(tuning, state="failed")
        raise ModelUnavailable("the tuning could not be started: start it again, the data is there")

    async def refresh(self, tuning: StoredTuning) -> StoredTuning:
        """Ask the service how far a tuning is, and store it. Raises `ModelError` where it is away."""
        if not tuning.task:
            found = await self._listed(tuning)
            if found is None:
                if self.store.clock.time() > tuning.intent + LAG:
                    await self._keep(tuning, state="failed")  # it was killed before the service had begun it
                return await self.find(tuning.id)
            await self._keep(tuning, task=found.id)
        else:
            found = await self.vendor.describe_tuning(tuning.task)
        await self._keep(tuning, state=found.status[:16], target=found.target)
        return await self.find(tuning.id)

    async def losses(self, tuning: StoredTuning) -> Losses:
        """Return the losses of a tuning. Raises `BadInput` as long as it has none."""
        try:
            url = await self.vendor.metrics_url(tuning.task)
        except ModelRefused as error:
            raise BadInput(f"there are no metrics yet: {error}") from None
        with work_folder() as folder:
            path = folder / "events"
            await self.datasets.transfers.get(url, path)
            return read_losses(path)

    async def find(self, number: int) -> StoredTuning:
        """Return a tuning. Raises `BadInput` if there is none with this number."""
        found = await self.store.read(lambda tx: tx.one(StoredTuning, bot=self.bot, id=number))
        if found is None:
            raise BadInput(f"there is no tuning {number}: govorun tune list")
        return found

    async def _upload(self, path: Path, digest: str, task_type: str, name: str, keep: Callable[[Row], bool]) -> str:
        """Upload a part of the examples, and note whose words it has. Returns the id of the dataset."""
        found = await self.datasets.upload(path, task_type, name[:63], keep=keep)
        await self.store.write(lambda tx: tx.dataset_people.note_upload(self.bot, digest, found.id, found.name))
        return found.id

    async def _look_for(self, tuning: StoredTuning, since: float) -> str:
        """The task of a start whose outcome is unknown; "" once the list would show it, if there were one."""
        while True:
            try:
                if (found := await self._listed(tuning)) is not None:
                    return found.id
                is_known = True
            except ModelUnavailable:
                is_known = False
            if is_known and self.store.clock.time() >= since + LAG:
                return ""
            await self.store.clock.sleep(LOOK)

    async def _listed(self, tuning: StoredTuning) -> Tuning | None:
        found = await self.vendor.list_tunings()
        return next((one for one in found if one.labels.get(LABEL) == tuning.token), None)

    async def _keep(self, tuning: StoredTuning, **values: Any) -> None:
        await self.store.write_until_stored(lambda tx: tx.change(tuning, **values))


class Split:
    """Which rows of a file are for training and which for validation: a conversation is never in both.

    A conversation is what has one value in the column `conversation`, else one question. A file that is too small to
    give any away has no validation.
    """

    def __init__(self, task_type: str, rows: int) -> None:
        self.validates = rows >= SHARE * FEWEST_VALIDATED.get(task_type, 10)

    def is_validation(self, row: Row) -> bool:
        """Whether a row is for validation."""
        if not self.validates:
            return False
        columns = row.columns
        key = columns.get(CONVERSATION)
        key = question_of(columns) if key in (None, "") else key
        return hashlib.sha256(str(key).strip().lower().encode()).digest()[0] % SHARE == 0

    def is_training(self, row: Row) -> bool:
        """Whether a row is for training."""
        return not self.is_validation(row)


def question_of(columns: Mapping[str, Any]) -> str:
    """Return what is asked in an example: the person's first message, the text of a class, or the anchor."""
    request = columns.get("request")
    if isinstance(request, list):
        return next((str(one.get("text", "")) for one in request if one.get("role") == "user"), json.dumps(request))
    return str(request or columns.get("text") or columns.get("anchor") or "")


def plan_of(path: Path, base: str, folder: str) -> TuningPlan:
    """Return what a file of examples can tune. Raises `BadInput` for another base or a file that is not for it."""
    name = base.partition("://")[2].partition("/")[2].partition("/")[0] if "://" in base else base
    kind = kind_of(path)
    scheme = base.partition("://")[0] if "://" in base else BASES.get(name, "")
    if not scheme:
        raise BadInput(f"--base {base}: {', '.join(BASES)} or a whole URI is expected")
    if (scheme, kind) not in PARAMETERS:
        wanted = " or ".join(WANTED.get(scheme, ["?"]))
        raise BadInput(
            f"--base {base} learns from {wanted}, and {path.name} is none of these: govorun dataset validate"
        )
    usual = {"gpt": "yandexgpt-lite", "cls": "yandexgpt-lite", "emb": "text-embeddings"}[scheme]
    uri = base if "://" in base else f"{scheme}://{folder}/{usual}/latest"
    return TuningPlan(uri, kind, PARAMETERS[scheme, kind])


PARAMETERS = {
    ("gpt", PAIRS): "textToTextCompletion",
    ("cls", MULTICLASS): "textClassificationMulticlass",
    ("cls", MULTILABEL): "textClassificationMultilabel",
    ("emb", EMBEDDING_PAIRS): "textEmbeddingPairParams",
    ("emb", EMBEDDING_TRIPLETS): "textEmbeddingTripletParams",
}
WANTED = {
    "gpt": ["questions with answers (request, response)"], "cls": ["texts with classes"],
    "emb": ["pairs (anchor, positive)", "triplets (anchor, positive, negative)"],
}  # fmt: skip
