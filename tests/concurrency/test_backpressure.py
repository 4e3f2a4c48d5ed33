"""What a live view does with the connections over which its answer comes."""

from __future__ import annotations

import pytest

from bot.concurrency.backpressure import Flow


class Pipe:
    """A source that says what it was told, and that it had waited for so many seconds."""

    def __init__(self, waited: float = 0.0) -> None:
        self.waited = waited
        self.told: list[str] = []

    def hold(self) -> None:
        self.told.append("hold")

    def release(self) -> float:
        self.told.append("release")
        return self.waited


def test_all_sources_of_an_answer_are_held_and_released_together() -> None:
    flow, pipes = Flow(), (Pipe(0.1), Pipe(0.3), Pipe(0.2))
    for pipe in pipes:
        flow.attach(pipe)
    flow.hold()
    assert flow.release() == 0.3
    assert [pipe.told for pipe in pipes] == [["hold", "release"]] * 3


def test_a_source_that_comes_while_the_view_waits_is_held_at_once() -> None:
    flow, late, after = Flow(), Pipe(), Pipe()
    flow.hold()
    flow.attach(late)
    flow.release()
    flow.attach(after)
    assert (late.told, after.told) == (["hold", "release"], [])


def test_a_source_that_has_ended_is_released_and_left_alone() -> None:
    flow, pipe = Flow(), Pipe(5.0)
    flow.attach(pipe)
    flow.hold()
    flow.detach(pipe)
    flow.hold()
    assert flow.release() == 0.0
    assert pipe.told == ["hold", "release"]
    with pytest.raises(ValueError):
        flow.detach(pipe)
