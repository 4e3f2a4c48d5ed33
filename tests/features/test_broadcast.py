"""/broadcast: an owner's message reaches everybody once, at a pace that leaves room for answers, and can be stopped."""

from __future__ import annotations

from bot.features.broadcast import PACE
from bot.runtime.bot import Bot
from bot.sandbox.telegram.chats import Person
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Address, User
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

CROWD = range(2001, 2001 + 4 * PACE)
NEWS = "Tonight I am away."


async def test_everybody_gets_it_once_at_its_pace_and_the_owner_is_told_how_many(stage: Stage) -> None:
    await _crowd(stage)
    stage.telegram.block(CROWD[0])
    stage.telegram.fail_next("sendMessage", code=403, description="Forbidden: user is deactivated", chat_id=CROWD[1])
    await soon(stage, lambda: rows(stage, "SELECT 1 FROM chats WHERE is_gone") or None)
    count = len(CROWD) - 1
    assert await _asked(stage) == say("en", "broadcast.confirm", count=count, text=NEWS)
    begun = stage.clock.monotonic()
    await stage.press(say("en", "broadcast.send"))
    stage.studio.script("yes")
    await soon(stage, lambda: _got(stage) or None)
    asked = stage.clock.monotonic()
    assert await stage.ask("hello", BORIS) == "yes"  # meanwhile
    assert stage.clock.monotonic() - asked < 2.0
    done = say("en", "broadcast.done", sent=count - 1, dead=1, unsent=0)
    await soon(stage, lambda: done in stage.telegram.texts(ANNA) or None)
    assert stage.clock.monotonic() - begun >= len(CROWD) / PACE - 1
    assert _got(stage) == list(CROWD[2:])
    assert stage.telegram.texts(ANNA).count(done) == 1
    assert NEWS not in stage.telegram.texts(ANNA)
    assert rows(stage, "SELECT actor, action, details FROM audit") == [(ANNA, "broadcast", f'{{"people": {count}}}')]


async def test_a_restart_in_the_middle_doubles_and_forgets_nobody(stage: Stage) -> None:
    await _crowd(stage)
    await _asked(stage)
    await stage.press(say("en", "broadcast.send"))
    await soon(stage, lambda: len(_got(stage)) >= PACE or None)
    await stage.crash()
    await stage.start()
    done = say("en", "broadcast.done", sent=len(CROWD), dead=0, unsent=0)
    await soon(stage, lambda: done in stage.telegram.texts(ANNA) or None)
    assert _got(stage) == list(CROWD)


async def test_it_can_be_stopped_and_says_how_many_have_got_it(stage: Stage) -> None:
    await _crowd(stage)
    await _asked(stage)
    await stage.press(say("en", "broadcast.send"))
    await soon(stage, lambda: _got(stage) or None)
    await stage.press(say("en", "broadcast.stop"))
    text = await soon(stage, lambda: next((one for one in stage.telegram.texts(ANNA) if "Delivered" in one), None))
    got = len(_got(stage))
    assert 0 < got < len(CROWD)
    assert text == say("en", "broadcast.done", sent=got, dead=0, unsent=0)
    await stage.clock.sleep(60)
    assert len(_got(stage)) == got


async def test_nothing_is_sent_without_a_press_or_to_people_who_may_not_use_the_bot(stage: Stage) -> None:
    app = await _crowd(stage)
    app_id = app.telegram.api.id
    await app.joining.directory.write(lambda tx: tx.members.store_member(app_id, CROWD[0], "blocked", ANNA))
    assert await _asked(stage) == say("en", "broadcast.confirm", count=len(CROWD) - 1, text=NEWS)
    await stage.press(say("en", "cancel"))
    await soon(stage, lambda: say("en", "broadcast.cancelled") in stage.telegram.texts(ANNA) or None)
    await stage.clock.sleep(60)
    assert _got(stage) == []
    assert await stage.ask(f"/broadcast {NEWS}") == say("en", "broadcast.confirm", count=len(CROWD) - 1, text=NEWS)
    assert (await stage.ask("/broadcast", BORIS)).startswith(say("ru", "unknown.command", command="/broadcast")[:20])


async def test_without_people_there_is_nothing_to_send(stage: Stage) -> None:
    await stage.start(owners=(ANNA,))
    assert await _asked(stage) == say("en", "broadcast.nobody")


async def _crowd(stage: Stage) -> Bot:
    """Anna is the owner; the crowd has written to the bot."""
    app = await stage.start(owners=(ANNA,), access="open")

    def write(tx: Tx) -> None:
        for person in CROWD:
            tx.chats.record_seen(Address("telegram", app.telegram.api.id, person), User(person, "One"), private=True)

    for person in CROWD:
        stage.telegram.state.add_person(Person(person, "One", "", "en"))
    await app.store.write(write)
    return app


async def _asked(stage: Stage) -> str:
    """What the owner is asked after /broadcast and the text."""
    assert (await stage.ask("/broadcast")).startswith(say("en", "broadcast.ask"))
    return await stage.ask(NEWS)


def _got(stage: Stage) -> list[int]:
    """Who has got the message, each as often as it came."""
    return [person for person in CROWD for text in stage.telegram.texts(person) if text == NEWS]
