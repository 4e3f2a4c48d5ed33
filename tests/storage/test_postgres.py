"""The whole bot on PostgreSQL: the tests that were written for SQLite, on the other database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conversation.test_chat import (
    test_a_new_conversation_forgets_the_old_one,
    test_a_question_is_answered,
    test_a_topic_is_a_conversation_of_its_own,
    test_order_is_kept_and_other_chats_do_not_wait,
    test_orderly_stops_are_no_crashes,
    test_stop_ends_the_answer_and_keeps_what_was_written,
    test_tokens_are_booked,
)
from tests.features.test_images import (
    test_a_crash_while_a_picture_is_pending_costs_nothing,
    test_a_picture_arrives_as_a_photo_with_its_prompt_and_buttons,
)
from tests.support.stage import Stage, opened
from tests.telegram.test_delivery_floods import test_a_flood_wait_outlives_a_crash

__all__ = [
    "test_a_crash_while_a_picture_is_pending_costs_nothing",
    "test_a_flood_wait_outlives_a_crash",
    "test_a_new_conversation_forgets_the_old_one",
    "test_a_picture_arrives_as_a_photo_with_its_prompt_and_buttons",
    "test_a_question_is_answered",
    "test_a_topic_is_a_conversation_of_its_own",
    "test_order_is_kept_and_other_chats_do_not_wait",
    "test_orderly_stops_are_no_crashes",
    "test_stop_ends_the_answer_and_keeps_what_was_written",
    "test_tokens_are_booked",
]

pytestmark = pytest.mark.usefixtures("draws_by_operations")


@pytest.fixture
async def stage(
    tmp_path: Path, template: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    monkeypatch.chdir(tmp_path)  # the journal of failures is kept in the working folder
    async with opened(tmp_path, template, database_url=postgres_url) as stage:
        yield stage
