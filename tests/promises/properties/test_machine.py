"""Every course of events that Hypothesis can think of: people, kills, floods, broken models; and seven promises kept.

See P1-P6, P16 in docs/promises.md.

The short form runs in CI. The long one:
`HYPOTHESIS_PROFILE=long .venv/bin/pytest -n0 tests/promises/properties/test_machine.py --timeout 0`.
The rules are what happens, `Judge` says what must hold.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.sandbox.telegram.server_facade import buttons_of
from tests.promises.properties.brain import Plan
from tests.promises.properties.judge import Judge, Question, sentences
from tests.promises.properties.world import ANNA, BORIS, TEAM, Place, World

RETRY = sentences("retry")
EXAMPLES = {"short": (30, 30), "long": (3_000, 60)}
COUNT, STEPS = EXAMPLES[os.environ.get("HYPOTHESIS_PROFILE", "short")]
STEERING = {"↻", "‹", "›", *sentences("resume")}
COUNTER = re.compile(r"\d+/\d+")  # a press on it shows that version again, also where a newer one has come meanwhile
SENDS = st.sampled_from(["sendMessage", "sendRichMessage", "editMessageText", "sendMessageDraft", "getUpdates", "*"])
ENDINGS = st.sampled_from(["whole", "whole", "whole", "cut", "down", "refused", "empty", "length", "filtered"])
PLANS = st.builds(
    Plan, ENDINGS, st.integers(1, 12), st.sampled_from([1, 3, 60]), st.sampled_from([0.0, 0.05, 0.5, 4.0])
)


class Course(RuleBasedStateMachine):
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.said: list[tuple[Place, int, dict[str, Any], str]] = []
        self.last: dict[Place, str] = {}  # from which question a conversation goes on

    @initialize(
        rich=st.booleans(), streaming=st.sampled_from(["draft", "edit", "off"]), tokens=st.sampled_from([0, 0, 6_000])
    )
    def begin(self, rich: bool, streaming: str, tokens: int) -> None:
        changes = {"rich_messages": rich, "streaming": streaming, "daily_tokens": tokens}
        self.world = World(Path(self.folder.name), self.template, **changes)
        self.judge = Judge(self.world)
        topic = self.world.telegram.topic(ANNA, name="work")["id"]
        self.places: list[Place] = [(ANNA, 0), (BORIS, 0), (TEAM, 0), (ANNA, topic)]
        self.world.start()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.settle()
            self.judge.finally_()
        finally:
            self.world.close()
            self.folder.cleanup()

    @invariant()
    def promises_are_kept(self) -> None:
        if hasattr(self, "world"):
            self.judge.always()

    # --- people -------------------------------------------------------------------------------------------------------

    @rule(where=st.integers(0, 3), other=st.booleans())
    def say(self, where: int, other: bool) -> None:
        place = self.places[where]
        user = self._somebody(place, other)
        token = self._ask(place)
        message = self.world.telegram.say(place[0], self._words(place, token), user, place[1])
        self.said.append((place, user, message, token))

    @precondition(lambda self: self.said)
    @rule(back=st.integers(0, 3))
    def edit(self, back: int) -> None:
        self.world.wait(1.0)  # Telegram dates edits by the second
        place, user, message, _ = self.said[-1 - back % len(self.said)]
        number = message["message_id"]
        old = [token for where, _, said, token in self.said if (where[0], said["message_id"]) == (place[0], number)][-1]
        if self.judge.questions[old].void or old != self.last.get(place):
            return  # that begins a branch: tests/conversation/test_edits.py
        token = self._ask(place, reorders=True, void=False)
        self.judge.questions[old].void = True
        fresh = self.world.telegram.edit(place[0], message["message_id"], self._words(place, token), user)
        self.said.append((place, user, fresh, token))

    @precondition(lambda self: self.said)
    @rule(back=st.integers(0, 5))
    def telegram_delivers_again(self, back: int) -> None:
        message = self.said[-1 - back % len(self.said)][2]
        kind = "edited_message" if "edit_date" in message else "message"
        self.world.telegram.push_raw({kind: message})

    @rule(where=st.integers(0, 3), other=st.booleans())
    def new(self, where: int, other: bool) -> None:
        place = self.places[where]
        self.judge.news[place] = self.judge.news.get(place, 0) + 1
        self.last.pop(place, None)
        self._command(place, "/new", other)

    @rule(where=st.integers(0, 3), command=st.sampled_from(["/stop", "/settings", "/model", "/help", "/reset"]))
    def command(self, where: int, command: str) -> None:
        self._command(self.places[where], command, False)

    @rule(where=st.integers(0, 2))
    def ask_and_stop(self, where: int) -> None:
        """With what is shown while an answer is written: the draft's own button, or ours under a message."""
        place = self.places[where]
        self.say(where, False)
        self.world.wait(1.0)
        for draft in self.world.telegram.drafts:
            if draft["can_stop"] and draft["chat_id"] == place[0]:
                self.world.telegram.stop(place[0], draft["draft_id"], draft["thread_id"])
        for message in self.world.growing(place):
            self.world.telegram.press(place[0], message["message_id"], "stop", self._somebody(place, True))

    @rule(where=st.integers(0, 3), nth=st.integers(0, 9), other=st.booleans())
    def press(self, where: int, nth: int, other: bool) -> None:
        """Any button that stands in a chat, however old, by anybody there, as often as one likes.

        But for those that lead from one version to another: tests/conversation/test_branches.py.
        """
        place = self.places[where]
        buttons = [(message, button) for message in self.world.messages(place) for button in buttons_of(message)]
        there = [(m, b) for m, b in buttons if b["text"] not in STEERING and not COUNTER.fullmatch(b["text"])]
        if there:
            message, button = there[-1 - nth % len(there)]
            if button["text"] in RETRY:
                self.judge.presses[place] = self.judge.presses.get(place, 0) + 1
            user = self._somebody(place, other)
            self.world.telegram.press(place[0], message["message_id"], button["callback_data"], user)

    # --- time and misfortune ------------------------------------------------------------------------------------------

    @rule(count=st.integers(0, 300))
    def some_steps(self, count: int) -> None:
        self.world.steps(count)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 3.0, 20.0, 200.0]))
    def some_time(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule(count=st.integers(0, 120))
    def kill(self, count: int) -> None:
        self.world.steps(count)
        self.world.kill()
        self.judge.kills += 1
        self.world.start()

    @rule()
    def restart(self) -> None:
        self.world.stop()
        self.world.start()

    @rule(plan=PLANS, times=st.sampled_from([1, 3]))
    def the_model_will(self, plan: Plan, times: int) -> None:
        """Three times: an answer that breaks off is begun anew twice."""
        self.world.brain.plans.extend([plan] * times)

    @rule(method=SENDS, seconds=st.sampled_from([1, 3, 40]), times=st.integers(1, 3))
    def flood(self, method: str, seconds: int, times: int) -> None:
        self.world.telegram.fail_next(method, code=429, parameters={"retry_after": seconds}, times=times)

    @rule(method=SENDS, code=st.sampled_from([500, 502]), apply=st.booleans(), reset=st.booleans())
    def telegram_breaks(self, method: str, code: int, apply: bool, reset: bool) -> None:
        self.world.telegram.fail_next(method, code=code, apply=apply, reset=reset)

    @rule()
    def peace(self) -> None:
        self.world.settle()
        self.judge.finally_()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _ask(self, place: Place, *, reorders: bool = False, void: bool = False) -> str:
        token = f"q{len(self.judge.questions)}"
        self.judge.questions[token] = Question(token, place, reorders, void)
        self.world.places[token] = place
        if not void:
            self.last[place] = token
        return token

    def _words(self, place: Place, token: str) -> str:
        return f"@govorun_sandbox_bot {token} please" if place[0] == TEAM else f"{token} please"

    def _command(self, place: Place, command: str, other: bool) -> None:
        text = f"{command}@govorun_sandbox_bot" if place[0] == TEAM else command
        self.world.telegram.say(place[0], text, self._somebody(place, other), place[1])

    def _somebody(self, place: Place, other: bool) -> int:
        """In the group two people speak; elsewhere there is only one."""
        return place[0] if place[0] > 0 else (BORIS if other else ANNA)


@pytest.fixture(autouse=True)
def _template(template: Path) -> None:
    Course.template = template


TestCourse = pytest.mark.sweep(pytest.mark.timeout(0)(Course.TestCase))
TestCourse.settings = settings(
    max_examples=COUNT,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
