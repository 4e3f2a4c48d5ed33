"""Every course of events at a support desk that Hypothesis can think of: D3.

The short form runs in CI. The long one, 10,000 steps:
`HYPOTHESIS_PROFILE=long .venv/bin/pytest -n0 tests/desk/test_machine.py --timeout 0`.
"""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.sandbox.telegram.server_facade import find_button, text_of
from bot.texts.catalog import say
from tests.promises.properties.world import ANNA, BORIS, World
from tests.support.desk_side import BOT, OLEG, OLGA

EXAMPLES = {"short": (4, 25), "long": (200, 50)}
COUNT, STEPS = EXAMPLES[os.environ.get("HYPOTHESIS_PROFILE", "short")]
WORD = re.compile(r"\b([coen])(\d+)w(\d+)\b")  # whose chat, which word: a customer's, an operator's, edited, a note
COMMANDS = ("/take", "/take", "/take", "/give Oleg", "/give Olga", "/release", "/snooze 2h", "/bot", "/close", "/info")
RELAYED = """SELECT c.chat, r.side, r.message FROM desk_relays r JOIN desk_cases c ON c.id = r.case_id
    WHERE r.side <> 'customer' ORDER BY r.id"""
OWNERS = "SELECT chat, count(*) FROM desk_cases WHERE open = 1 GROUP BY chat HAVING count(*) > 1"
HOLDERS = "SELECT id, owner, holder FROM desk_cases WHERE (owner IN ('held', 'snoozed')) <> (holder <> 0)"
PEOPLE, OPERATORS = st.sampled_from([ANNA, BORIS]), st.sampled_from([OLGA, OLEG])


class Desk(RuleBasedStateMachine):
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.count = 0
        self.written: list[tuple[int, int, int]] = []  # chat, message, who: what may be edited

    @initialize()
    def begin(self) -> None:
        desk = Path(self.folder.name) / "desk"
        desk.mkdir()
        nobody = "http://127.0.0.1:9"  # sums up no conversation
        self.world = World(
            Path(self.folder.name), self.template, desk=desk, owners=frozenset({OLGA, OLEG}), yc_llm_url=nobody
        )
        telegram = self.world.telegram
        for number, name in ((OLGA, "Olga"), (OLEG, "Oleg")):
            telegram.person(name, "en", number)
        self.group = telegram.group("Support", [OLGA, OLEG, BORIS], is_forum=True)["id"]
        telegram.promote(self.group)
        self.world.start()
        telegram.say(self.group, f"/desk{BOT}", OLGA)
        self.world.settle()
        telegram.press(self.group, *find_button(telegram.transcript(self.group), say("en", "desk.group.use")), OLGA)
        self.world.settle()
        for person in (ANNA, BORIS):
            telegram.say(person, "/human")
            self.world.settle()
        self.topics = dict(zip((ANNA, BORIS), telegram.state.chats[self.group].topics, strict=True))
        telegram.say(self.group, "/take", OLGA, self.topics[ANNA])

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.telegram.faults.clear()
            self.world.settle()
            self.everything_arrived()
        finally:
            self.world.close()
            self.folder.cleanup()

    # --- what happens -------------------------------------------------------------------------------------------------

    def _word(self, kind: str, person: int) -> str:
        self.count += 1
        return f"{kind}{person}w{self.count}"

    @rule(person=PEOPLE)
    def a_customer_writes(self, person: int) -> None:
        word = self._word("c", person)
        self.world.places[f"q{self.count}"] = (person, 0)
        message = self.world.telegram.say(person, f"{word} q{self.count}")  # the model answers to q1, q2, ...
        self.written.append((person, message["message_id"], person))

    @rule(person=PEOPLE, command=st.sampled_from(["/human", "/bot"]))
    def a_customer_chooses(self, person: int, command: str) -> None:
        self.world.telegram.say(person, command)

    @rule(person=PEOPLE, operator=OPERATORS)
    def an_operator_writes(self, person: int, operator: int) -> None:
        message = self.world.telegram.say(self.group, self._word("o", person), operator, self.topics[person])
        self.written.append((self.group, message["message_id"], operator))

    @rule(person=PEOPLE, operator=OPERATORS)
    def an_operator_notes(self, person: int, operator: int) -> None:
        self.world.telegram.say(self.group, f"// {self._word('n', person)}", operator, self.topics[person])

    @rule(person=PEOPLE)
    def a_member_who_is_no_operator_writes(self, person: int) -> None:
        self.world.telegram.say(self.group, self._word("n", person), BORIS, self.topics[person])

    @rule(person=PEOPLE, operator=OPERATORS, command=st.sampled_from(COMMANDS))
    def an_operator_commands(self, person: int, operator: int, command: str) -> None:
        self.world.telegram.say(self.group, command, operator, self.topics[person])

    @precondition(lambda self: self.written)
    @rule(back=st.integers(0, 3), as_note=st.booleans())
    def somebody_edits(self, back: int, as_note: bool) -> None:
        self.world.wait(1.0)  # Telegram dates edits by the second
        chat, message, who = self.written[-1 - back % len(self.written)]
        before = text_of(self.world.telegram.state.chats[chat].messages[message])
        found = WORD.search(before)
        assert found is not None
        person = int(found[2])
        text = f"// {self._word('n', person)}" if as_note and chat == self.group else before.replace("o", "e", 1)
        self.world.telegram.edit(chat, message, text, who)

    @rule(seconds=st.sampled_from([3, 60]))
    def the_group_is_flooded(self, seconds: int) -> None:
        how: dict[str, Any] = {"code": 429, "parameters": {"retry_after": seconds}}
        self.world.telegram.fail_next("*", chat_id=self.group, **how)

    @rule(method=st.sampled_from(["sendMessage", "editMessageText"]), apply=st.booleans())
    def an_answer_of_telegram_is_lost(self, method: str, apply: bool) -> None:
        self.world.telegram.fail_next(method, reset=True, apply=apply)

    @rule(steps=st.integers(0, 300))
    def the_bot_is_killed(self, steps: int) -> None:
        self.world.steps(steps)
        self.world.kill()
        self.world.start()

    @rule(steps=st.integers(0, 300))
    def a_moment_passes(self, steps: int) -> None:
        self.world.steps(steps)

    @rule(seconds=st.sampled_from([1.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.wait(seconds)

    # --- what must hold -----------------------------------------------------------------------------------------------

    def _rows(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.world.disk.path}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def _told(self, person: int) -> list[str]:
        bot = self.world.telegram.state.profile.id
        own = [one for one in self.world.telegram.transcript(person) if one["from"]["id"] == bot]
        return [text_of(one) for one in own]

    @invariant()
    def nobody_reads_a_note_or_what_was_said_to_another_and_a_case_has_one_owner(self) -> None:
        if not hasattr(self, "topics"):
            return
        for person in (ANNA, BORIS):
            for kind, whose, _ in WORD.findall("\n".join(text for text in self._told(person) if "✎" not in text)):
                assert kind not in "n", self._told(person)
                assert int(whose) == person, self._told(person)
        assert self._rows(OWNERS) == []
        assert self._rows(HOLDERS) == []

    def everything_arrived(self) -> None:
        """Each word of who held the case stands once, in the order of the commits, and no word of who did not."""
        messages = self.world.telegram.state.chats[self.group].messages
        for person in (ANNA, BORIS):
            said = [(side, text_of(messages[number])) for chat, side, number in self._rows(RELAYED) if chat == person]
            wanted = [WORD.search(text) for side, text in said if side == "operator" and "//" not in text]
            told = [one for text in self._told(person) for one in WORD.finditer(text) if one[1] in "oe"]
            assert [one[3] for one in told] == [one[3] for one in wanted if one is not None]


@pytest.fixture(autouse=True)
def _template(template: Path) -> None:
    Desk.template = template


TestDesk = Desk.TestCase
TestDesk.settings = settings(
    max_examples=COUNT, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck),
    print_blob=True,
)  # fmt: skip
