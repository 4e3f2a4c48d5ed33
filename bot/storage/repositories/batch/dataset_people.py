"""Whose words the datasets have that a bot has exported. Begin with `DatasetPeople.note_export`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from sqlalchemy import delete, select

from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository
from bot.storage.tables.batch import dataset_people

ADD = Prepared(lambda insert: insert(dataset_people).on_conflict_do_nothing())


class DatasetPeople(Repository):
    """The people whose words stand in exported files, and in the datasets that these became."""

    def note_export(self, bot: int, digest: str, people: Iterable[int]) -> None:
        """Note whose words stand in a file with this SHA-256."""
        rows = [{"bot": bot, "digest": digest, "user": user, "dataset": "", "name": ""} for user in sorted(people)]
        self.execute_many(ADD, rows)

    def note_upload(self, bot: int, digest: str, dataset: str, name: str) -> None:
        """Note that a file, or a part of it, was uploaded as a dataset; a file may become several."""
        columns = dataset_people.c
        people = self.connection.scalars(select(columns.user).where(columns.bot == bot, columns.digest == digest))
        mark = hashlib.sha256(f"{digest} {dataset}".encode()).hexdigest()
        rows = [{"bot": bot, "digest": mark, "user": user, "dataset": dataset, "name": name[:63]} for user in people]
        self.execute_many(ADD, rows)

    def note_removal(self, bot: int, dataset: str) -> None:
        """Note that a dataset was removed at the service."""
        columns = dataset_people.c
        self.connection.execute(delete(dataset_people).where(columns.bot == bot, columns.dataset == dataset))

    def list_names(self, bot: int, user: int) -> Sequence[str]:
        """Return the names of the datasets at the service that have words of a person."""
        columns = dataset_people.c
        query = select(columns.name).where(columns.bot == bot, columns.user == user, columns.dataset != "")
        return sorted(set(self.connection.scalars(query)))
