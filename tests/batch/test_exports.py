"""What the desk and the knowledge base have taught becomes rows of a dataset: without names, with consent, and known to
/forget.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.cli import dataset
from bot.errors import BadInput
from bot.storage.store import Tx
from bot.storage.tables.batch import DatasetPerson
from bot.storage.tables.knowledge import ADDED, LearnedEntry
from bot.texts.catalog import say
from tests.desk.test_drafts import desk, drafted
from tests.support.choosing import pressed
from tests.support.desk_side import OLGA, DeskStage
from tests.support.stage import ANNA
from tests.support.telegram_side import rows
from tests.support.workspace import opened

__all__ = ["desk"]


@pytest.fixture
def said(desk: DeskStage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the command line prints that works with the desk's database."""
    monkeypatch.setenv("DATABASE_URL", desk.stage.settings.database_url)
    monkeypatch.setenv("BOT_TOKEN", desk.stage.settings.bot_token.get_secret_value())
    return []


async def export(source: str, to: Path, said: list[str], agreed: str = "") -> list[dict[str, str]]:
    async with opened(said) as work:
        await dataset.export_rows(work, source, to, agreed)
    return [
        {"question": row["request"][-1]["text"], "answer": row["response"]}
        for row in map(json.loads, to.read_text("utf-8").splitlines())
    ]


async def test_drafts_are_exported_as_they_were_sent_if_the_customer_has_agreed(
    desk: DeskStage, tmp_path: Path, said: list[str]
) -> None:
    desk.stage.studio.script("One.", "Dear Anna, within 30 days.")
    await desk.presses("desk.draft")
    await drafted(desk, text="One.")
    shown = next(one for one in reversed(desk.messages()) if "One." in one.get("text", ""))
    await desk.says("Yes, Anna. Write to olga@shop.example, Olga", reply_to=shown["message_id"])
    to = tmp_path / "drafts.jsonl"
    with pytest.raises(BadInput, match="nothing to export"):
        await export("drafts", to, said)
    assert said == ["left out: 1 of chats whose people were not said to have agreed (--agreed)"]
    assert await export("drafts", to, said, str(ANNA)) == [
        {"question": "Can I pay later?", "answer": "Yes, …. Write to …, …"}
    ]
    assert (tmp_path / "drafts.jsonl.masked").read_text() == "1: Anna. olga@shop.example, Olga\n"
    assert to.stat().st_mode & 0o077 == 0


async def test_learned_entries_are_exported_and_forget_names_the_datasets_that_have_a_persons_words(
    desk: DeskStage, tmp_path: Path, said: list[str]
) -> None:
    assert desk.stage.app is not None
    store, bot = desk.stage.app.store, desk.stage.telegram.state.profile.id

    def learn(tx: Tx) -> None:
        for state, answer in ((ADDED, "Within 14 days, says Olga."), ("dropped", "Never.")):
            entry = LearnedEntry(
                bot=bot, question="May I return it? +7 999 123-45-67", answer=answer, author=OLGA,
                audience="everyone", state=state,
            )  # fmt: skip
            tx.add(entry)

    await store.write(learn)
    to = tmp_path / "learned.jsonl"
    assert await export("learned", to, said) == [
        {"question": "May I return it? +0", "answer": "Within 0 days, says …."}
    ]
    assert said[-2] == f"{to}: 1 rows"
    digest = rows(desk.stage, "SELECT digest FROM dataset_people")[0][0]

    def upload(tx: Tx) -> None:
        for name in ("train", "check", "gone"):
            tx.dataset_people.note_upload(bot, digest, f"fds-{name}", f"shop {name}")
            tx.dataset_people.note_upload(bot, digest, f"fds-{name}", f"shop {name}")
        tx.remove(DatasetPerson, bot=bot, dataset="fds-gone")

    await store.write(upload)
    await desk.stage.ask("/forget", OLGA)
    told = await pressed(desk.stage, say("en", "forget.yes"), chat=OLGA)
    assert say("en", "forget.datasets", names="shop check, shop train") in told


async def test_topics_are_those_of_one_bot_and_forget_names_the_dataset_that_has_a_persons_question(
    desk: DeskStage, tmp_path: Path, said: list[str]
) -> None:
    assert desk.stage.app is not None
    store, bot = desk.stage.app.store, desk.stage.telegram.state.profile.id
    routing = tmp_path / "routing.toml"
    routing.write_text("".join(
        f"[topic.{key}]\ntitle = '{key}'\nexamples = {[f'{key} {n}' for n in 'xyz']}\n" for key in ("pay", "send")
    ) + "[topic.rest]\ntitle = 'Rest'\n[routing]\nother = 'rest'\n")  # fmt: skip

    def correct(tx: Tx) -> None:
        for number, text in ((bot, "May I pay later?"), (bot + 1, "Of the other bot?")):
            tx.question_topics.add_sample(number, OLGA, "pay", text, text)

    await store.write(correct)
    for number, theirs in ((bot, "May I pay later?"), (bot + 1, "Of the other bot?")):
        to = tmp_path / f"topics-{number}.jsonl"
        async with opened(said, number) as work:
            await dataset.export_rows(work, "topics", to, file=routing)
        texts = [json.loads(line)["text"] for line in to.read_text().splitlines()]
        assert sorted(texts) == sorted([*(f"{key} {n}" for key in ("pay", "send") for n in "xyz"), theirs])
    digest = rows(desk.stage, f"SELECT digest FROM dataset_people WHERE bot = {bot}")[0][0]
    await store.write(lambda tx: tx.dataset_people.note_upload(bot, digest, "fds-topics", "shop topics"))
    await desk.stage.ask("/forget", OLGA)
    told = await pressed(desk.stage, say("en", "forget.yes"), chat=OLGA)
    assert say("en", "forget.datasets", names="shop topics") in told
