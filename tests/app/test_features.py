"""Features of a programmer: a class whose decorated methods are the handlers, each of them one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
import sqlalchemy as sa

from bot import App
from bot.conversation.assistant import Assistant
from bot.errors import BadInput, ConfigError
from bot.feature import NOT_MINE, Again, Feature, Question, Result, Turn, awaited, command, job, press
from bot.outbox import Answer, Ask, Choice
from bot.storage.rows import Col, Row, column
from bot.storage.schema import Id
from bot.storage.store import Store, Tx
from bot.testing.studio import StudioSide
from bot.testing.tg import Tg
from bot.types import Address, Job, Outgoing

SHOP = App()


class Lamp(Row, table="shop_lamps", metadata=SHOP.metadata):
    """A lamp that somebody has ordered."""

    id: Col[int] = column(Id, primary_key=True, default=0)
    user: Col[int]
    name: Col[str] = column(sa.String(64))
    count: Col[int] = column(default=1)


@SHOP.add_feature
@dataclass(slots=True, kw_only=True)
class Shop(Feature):
    """Sells lamps."""

    store: Store
    assistant: Assistant
    deliver: Callable[[str, Sequence[Address]], None]
    wake_jobs: Callable[[], None]

    @command("/lamp", about={"en": "Order a lamp", "ru": "Заказать лампу"})
    def order(self, tx: Tx, turn: Turn) -> Result:
        if not turn.rest:
            return Ask("lamp.name", "Which lamp?", count=2)
        if turn.rest == "?":
            return Question(replace(turn, text="Which lamps are there?", message_id=0))
        lamp = tx.add(Lamp(user=turn.user.id, name=turn.rest))
        if turn.rest == "broken":
            raise BadInput("This one is broken.")
        return Answer(f"Ordered: {lamp.name}", choices=[Choice("One more", "lamp.more", {"lamp": lamp.id, "by": 1})])

    @awaited("lamp.name")
    def name(self, tx: Tx, turn: Turn, count: int) -> Result:
        if turn.text == "never mind that":
            return NOT_MINE
        tx.add(Lamp(user=turn.user.id, name=turn.text, count=count))
        return f"Ordered: {count} x {turn.text}"

    @press("lamp.more", once=True)
    def more(self, tx: Tx, turn: Turn, lamp: int, by: int) -> Answer:
        found = tx.one(Lamp, id=lamp)
        assert found is not None
        return Answer(f"Now {tx.change(found, count=found.count + by).count}", over=True)

    @command("/stock")
    async def stock(self, turn: Turn, _reply: object) -> object:
        count = await self.store.read(lambda tx: tx.count(Lamp, user=turn.user.id))
        if turn.rest == "model":
            return Question(replace(turn, text="How many?", message_id=0))

        def end(tx: Tx) -> Result:
            tx.jobs.add_job(Job("lamp.count", turn.id, turn.address))
            return f"{count} ordered"

        return end

    @job("lamp.count")
    def count(self, tx: Tx, due: Job) -> Again | None:
        lamp = tx.one(Lamp, name="counted")
        if lamp is None:
            tx.add(Lamp(user=0, name="counted", count=0))
            return Again(tx.clock.time())
        tx.change(lamp, count=lamp.count + 1)
        tx.outbox.add_answer(f"{due.key}.count", due.address, Outgoing("Counted"))
        return None


@SHOP.add_feature
@dataclass(slots=True, kw_only=True)
class Careless(Feature):
    """Lacks what has to follow its transactions."""

    store: Store

    @command("/careless")
    def order(self, tx: Tx, turn: Turn) -> Result:
        tx.add(Lamp(user=turn.user.id, name="forgotten"))
        tx.jobs.add_job(Job("lamp.count", turn.id, turn.address))
        return "Ordered"


@pytest.fixture
def bot_app() -> App:
    return SHOP


async def test_what_a_command_writes_and_says_is_one_transaction(tg: Tg) -> None:
    anna = tg.user("Anna")
    answer = await anna.say("/lamp green")
    assert answer.text == "Ordered: green"
    assert (await anna.say("/lamp broken")).text == "This one is broken."
    await anna.say("/stock")
    await tg.until(lambda: [one for one in anna.said() if one.text == "Counted"] or None)
    assert "1 ordered" in [one.text for one in anna.said()]


async def test_a_feature_without_what_has_to_follow_the_commit_commits_nothing(tg: Tg) -> None:
    anna = tg.user("Anna")
    assert "Ordered" not in (await anna.say("/careless")).text
    await anna.say("/stock")
    assert "0 ordered" in [one.text for one in anna.said()]


async def test_a_button_gives_its_arguments_and_works_once(tg: Tg) -> None:
    anna = tg.user("Anna")
    await anna.say("/lamp green")
    await anna.press("One more")
    assert [one.text for one in anna.said()] == ["Now 2"]
    assert anna.said()[0].buttons == []


async def test_the_answer_to_a_question_comes_with_what_was_asked(tg: Tg, studio: StudioSide) -> None:
    anna = tg.user("Anna")
    assert (await anna.say("/lamp")).text.startswith("Which lamp?")
    assert (await anna.say("red")).text == "Ordered: 2 x red"
    assert (await anna.say("/lamp")).text.startswith("Which lamp?")
    studio.says("A model's words")
    assert (await anna.say("never mind that")).text == "A model's words"


async def test_a_handler_hands_a_question_to_the_model(tg: Tg, studio: StudioSide) -> None:
    studio.says("Green ones")
    assert (await tg.user("Anna").say("/lamp ?")).text == "Green ones"
    studio.says("Three")
    assert (await tg.user("Anna").say("/stock model")).text == "Three"


@pytest.mark.parametrize(("what", "words"), [(Feature, "no method"), (print, "a class of"), ("x", "a class of")])
def test_what_is_no_feature_is_refused(what: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        App().add_feature(what)  # type: ignore[arg-type]
