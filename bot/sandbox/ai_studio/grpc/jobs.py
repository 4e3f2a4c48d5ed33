"""What batch runs and tunings have in common: they begin, work and end by the clock. Begin with `Jobs`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from bot.sandbox.ai_studio.core import CANCELLED, CREATOR, Core, Part
from bot.sandbox.ai_studio.grpc.datasets import Datasets, moment, packed
from bot.sandbox.ai_studio.grpc.models import BatchModels
from bot.sandbox.ai_studio.wire import Json, Problem, page
from bot.sandbox.faults import Faults


@dataclass(slots=True, kw_only=True)
class Job:
    """A run or a tuning, created at a Unix time. `work` finishes it."""

    task: Any
    created: float
    work: asyncio.Task[None] | None = None


One = TypeVar("One", bound=Job)


class Jobs(Part, ABC, Generic[One]):
    """The jobs of a folder. A job takes `seconds`; `begins` and `works` are the parts of them after which it is PENDING
    and IN_PROGRESS. A call waits up to `patience` real seconds for work that is due; if it takes longer, the job stays
    IN_PROGRESS.
    """

    title = ""
    begins = works = 0.0
    reads_until_empty = False  # clients of the vendor's go on until a page is empty

    def __init__(self, core: Core, datasets: Datasets, models: BatchModels, faults: Faults) -> None:
        super().__init__(core)
        self.seconds = 0.0
        self.patience = 1.0
        self.all: dict[str, One] = {}
        self._datasets = datasets
        self._models = models
        self._faults = faults

    async def advance(self) -> None:
        """Let all jobs go on as far as the time has come, and wait a little for the work of those that end."""
        for job in self.all.values():
            if not self._is_over(job):
                self._advance(job)
        if works := self._open_work():
            await asyncio.wait(works, timeout=self.patience)

    async def close(self) -> None:
        """Stop all work."""
        works = self._open_work()
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    def find(self, id_: str) -> One:
        """The job with this id. Raises `Problem` 5."""
        found = self.all.get(id_)
        if found is None:
            raise Problem(5, f"{self.title} task {id_!r} not found")
        return found

    def begin(self, job: One, request: Any) -> Json:
        """Begin a job, and return the JSON of its operation."""
        task = job.task
        task.status, task.folder_id, task.created_by = task.CREATED, self._access.folder, CREATOR
        task.created_at.CopyFrom(moment(job.created, fine=True))
        self.all[task.task_id] = job
        metadata = packed(self.metadata(job, task.CREATED))
        return self._operations.begin(task.operation_id, metadata, self.advance, lambda: self._stop(job))

    def newest(self, request: Any) -> tuple[list[Message], str]:
        """The page of a list with the tasks that a request asks for, newest first, and the token of the next one."""
        latest = self._clock.time() - self._faults.list_lag
        shown = [self.shown(job) for job in reversed(self.all.values()) if job.created <= latest]
        found: Sequence[Any] = [task for task in shown if request.status in (0, task.status)]
        return page(found, request.page_size, request.page_token, empty_last=self.reads_until_empty)

    def stop(self, id_: str) -> None:
        """Cancel a job. Raises `Problem` 9 if it is over."""
        job = self.find(id_)
        if self._is_over(job):
            raise Problem(9, f"task {id_} is already {job.task.Status.Name(job.task.status)}")
        self._stop(job)

    def shown(self, job: One) -> Any:
        """The task of a job as answers show it."""
        return job.task

    def end(self, job: One, status: int, at: float) -> None:
        """End a job and its operation."""
        task = job.task
        task.finished_at.CopyFrom(moment(at, fine=True))
        self.set(job, status, at)
        if status == task.COMPLETED:
            self._operations.finish(task.operation_id, at, response=packed(self.response(job)))
        elif status == task.CANCELED:
            self._operations.finish(task.operation_id, at, error=CANCELLED)
        else:
            self._operations.finish(task.operation_id, at, error={"code": 13, "message": f"{self.title} failed"})

    def set(self, job: One, status: int, at: float) -> None:
        """Change the status, in the metadata of the operation, too."""
        job.task.status = status
        self._operations.change(job.task.operation_id, packed(self.metadata(job, status)), at)

    @abstractmethod
    def metadata(self, job: One, status: int) -> Message:
        """What the operation of a job tells while its status is this one."""

    @abstractmethod
    def response(self, job: One) -> Message:
        """What the operation of a job tells in the end."""

    @abstractmethod
    async def finish(self, job: One, at: float) -> None:
        """Do the work of a job, and end it."""

    def goes_on(self, job: One) -> None:
        """Hook: a job is in progress."""

    def is_pending(self, job: One, at: float) -> None:
        """Hook: a job has become pending."""

    def _advance(self, job: One) -> None:
        task, passed = job.task, (self._clock.time() - job.created) / self.seconds
        if task.status == task.CREATED and passed >= self.begins:
            self.is_pending(job, job.created + self.seconds * self.begins)
            self.set(job, task.PENDING, job.created + self.seconds * self.begins)
        if task.status == task.PENDING and passed >= self.works:
            if "stays_pending" in self._faults.lasting:
                return
            task.started_at.CopyFrom(moment(job.created + self.seconds * self.works, fine=True))
            self.set(job, task.IN_PROGRESS, job.created + self.seconds * self.works)
        if task.status == task.IN_PROGRESS:
            self.goes_on(job)
            if passed >= 1:
                if job.work is not None and job.work.done():
                    job.work.result()  # what went wrong is told to who asks
                job.work = job.work or asyncio.create_task(self.finish(job, job.created + self.seconds))

    def _open_work(self) -> list[asyncio.Task[None]]:
        return [job.work for job in self.all.values() if job.work is not None and not job.work.done()]

    def _is_over(self, job: One) -> bool:
        return job.task.status not in (job.task.CREATED, job.task.PENDING, job.task.IN_PROGRESS)

    def _stop(self, job: One) -> None:
        if job.work is not None:
            job.work.cancel()
        self.end(job, job.task.CANCELED, self._clock.time())
