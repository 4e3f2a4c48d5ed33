"""In a group, what the group may not read goes to the asker alone, and the group hears one sentence (P4, P33)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.runtime.bot import Bot
from bot.storage.tables.knowledge import KnowledgeSource
from bot.texts.catalog import say
from tests.support.known import handbook, kept, known
from tests.support.scripted_model import LaterModel
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows, soon
from tests.support.whispering import whispers

NAME = "@govorun_sandbox_bot"
QUESTION = {"en": "Are laptops repaired for free?", "ru": "За сколько дней можно вернуть товар?"}
FACT = {"en": "repaired for free for one year", "ru": "можно в течение 14 дней"}
GROUP_SPOKE = (
    "SELECT parts FROM messages JOIN conversations ON conversations.id = conversation_id "
    "WHERE only = 0 AND conversations.chat < 0"
)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return handbook(tmp_path)


async def for_some(
    stage: Stage, docs: Path, *audience: str, level: str = "extract", later: LaterModel | None = None
) -> Bot:  # fmt: skip
    """The bot runs, and some alone may read its handbook: by default Anna and Boris, not their group."""
    bot = await known(stage, docs, audience=audience or ("owners", f"user:{BORIS}"), level=level, later=later)
    await stage.until(lambda: len(stage.telegram.calls_of("setMyCommands")) >= 4 or None)
    return bot


async def asked(stage: Stage, user: int = ANNA, language: str = "en") -> None:
    """A question in the group was answered there by the one sentence, which tells nothing."""
    said = await stage.ask(f"{NAME} {QUESTION[language]}", TEAM, user)
    assert said == say(language, "kb.alone")
    assert said in heard(stage)
    await soon(stage, lambda: not rows(stage, "SELECT 1 FROM jobs WHERE kind = 'kb.alone'") or None)


def heard(stage: Stage) -> str:
    """All that the group was sent, and all that its later prompts can hold."""
    sent = [
        call.params
        for call in stage.telegram.calls
        if call.method.startswith(("send", "edit")) and "ephemeral_message_parameters" not in call.params
        and "receiver_user_id" not in call.params and int(call.params.get("chat_id") or 0) == TEAM
    ]  # fmt: skip
    return f"{sent} {rows(stage, GROUP_SPOKE)}"


@pytest.mark.parametrize(("who", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_after_a_press_the_asker_alone_sees_the_answer_with_its_quotes(
    stage: Stage, docs: Path, who: int, language: str
) -> None:
    await for_some(stage, docs)
    await asked(stage, who, language)
    stage.telegram.press(TEAM, *_button(stage, language), who)
    (answer,) = await whispers(stage, 1, who)
    assert FACT[language] in answer
    assert "¹" in answer
    await soon(stage, lambda: say(language, "kb.alone.show") not in str(stage.telegram.transcript(TEAM)) or None)
    assert FACT[language] not in heard(stage)
    other = BORIS if who == ANNA else ANNA
    assert stage.telegram.whispers(TEAM, other) == []


async def test_where_the_bot_administers_the_group_no_press_is_needed_and_the_button_is_used_up(
    stage: Stage, docs: Path
) -> None:
    await for_some(stage, docs)
    stage.telegram.promote(TEAM)
    await asked(stage)
    assert FACT["en"] in (await whispers(stage, 1))[0]
    await soon(stage, lambda: say("en", "kb.alone.show") not in str(stage.telegram.transcript(TEAM)) or None)
    assert FACT["en"] not in heard(stage)


async def test_who_may_read_no_more_than_the_group_is_answered_as_if_there_were_nothing(
    stage: Stage, docs: Path
) -> None:
    await for_some(stage, docs, "owners")
    assert await stage.ask(f"{NAME} {QUESTION['ru']}", TEAM, BORIS) != say("ru", "kb.alone")
    assert stage.telegram.whispers(TEAM, BORIS) == []
    assert rows(stage, "SELECT 1 FROM buttons WHERE action = 'kb.alone'") == []


async def test_what_the_group_may_read_is_said_in_the_group_although_the_asker_may_read_more(
    stage: Stage, docs: Path, tmp_path: Path
) -> None:
    bot = await for_some(stage, docs, "everyone")
    more = tmp_path / "more"
    more.mkdir()
    (more / "prices.md").write_text("# Purchase\n\nThe shop buys lamps for two euros.\n", "utf-8")
    base = kept(bot, docs)
    await base.sync(await base.add(KnowledgeSource(name="more", kind="", address=str(more), audience=("owners",))))
    await base.files.close()
    assert FACT["en"] in await stage.ask(f"{NAME} {QUESTION['en']}", TEAM, ANNA)
    said = await stage.ask(f"{NAME} For how much does the shop buy lamps?", TEAM, ANNA)
    assert said == say("en", "kb.alone")
    assert "Purchase" not in heard(stage)
    assert "euros" not in heard(stage)


async def test_where_nothing_can_be_shown_to_one_alone_a_link_leads_the_asker_to_the_private_chat(
    stage: Stage, docs: Path
) -> None:
    """The bot may not write first to who never started it: the link has the person begin."""
    await for_some(stage, docs)
    await asked(stage)
    stage.telegram.state.ephemeral = False
    stage.telegram.press(TEAM, *_button(stage, "en"), ANNA)
    link = say("en", "kb.alone.link")
    await stage.until(lambda: link in str(stage.telegram.texts(TEAM)) or None)
    code = "/start alone-" + rows(stage, "SELECT key FROM buttons WHERE action = 'kb.alone'")[0][0].removeprefix("q.")
    assert await stage.ask(code, BORIS) == say("ru", "kb.alone.gone")
    assert FACT["en"] in await stage.ask(code)
    assert await stage.ask(code) == say("en", "kb.alone.gone")
    assert FACT["en"] not in heard(stage)


async def test_what_a_group_may_not_read_is_not_answered_later(stage: Stage, docs: Path) -> None:
    later = LaterModel("Laptops are repaired for free for one year [a1].")
    await for_some(stage, docs, level="cited", later=later)
    said = await stage.ask(f"/later@govorun_sandbox_bot {QUESTION['en']}", TEAM, ANNA)
    assert said == say("en", "kb.at_once")
    assert later.submitted == []


@pytest.mark.parametrize("administers", [False, True])
async def test_a_kill_while_the_asker_is_answered_loses_and_doubles_nothing(
    stage: Stage, docs: Path, administers: bool
) -> None:
    await for_some(stage, docs)
    stage.telegram.promote(TEAM, administers)
    fault = stage.telegram.fail_next("editEphemeralMessageText", reset=True, times=None)
    assert await stage.ask(f"{NAME} {QUESTION['en']}", TEAM, ANNA) == say("en", "kb.alone")
    if not administers:
        await soon(stage, lambda: not rows(stage, "SELECT 1 FROM jobs WHERE kind = 'kb.alone'") or None)
        stage.telegram.press(TEAM, *_button(stage, "en"), ANNA)
    await stage.until(lambda: stage.telegram.unseen(TEAM, ANNA) or None)
    await stage.crash()
    fault.remove()
    await stage.start(knowledge="extract", embeddings="off", owners=[ANNA])
    await stage.until(lambda: FACT["en"] in str(stage.telegram.whispers(TEAM, ANNA)) or None)
    await soon(stage, lambda: not rows(stage, "SELECT 1 FROM jobs WHERE kind = 'kb.alone'") or None)
    assert len([text for text in await whispers(stage, 1) if FACT["en"] in text]) == 1
    assert (
        len(rows(stage, "SELECT 1 FROM messages JOIN conversations c ON c.id = conversation_id WHERE only <> 0")) == 2
    )
    assert FACT["en"] not in heard(stage)


def _button(stage: Stage, language: str) -> tuple[int, str]:
    """The message with the button and the button's key."""
    label = say(language, "kb.alone.show")
    for message in reversed(stage.telegram.transcript(TEAM)):
        for row in message.get("reply_markup", {}).get("inline_keyboard", []):
            for button in row:
                if button["text"] == label:
                    return message["message_id"], button["callback_data"]
    raise AssertionError("there is no button")
