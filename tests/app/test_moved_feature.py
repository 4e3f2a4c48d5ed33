"""A feature of Govorun, moved unchanged into the file of a programmer's App, behaves as it did."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import App
from bot.app import find
from bot.features import user_templates
from tests.features.test_user_templates import (
    test_a_button_of_a_deleted_template_says_so,
    test_a_question_is_kept_by_a_reply_and_asked_again_with_one_tap,
    test_it_is_renamed_deleted_and_both_can_be_taken_back,
    test_templates_belong_to_the_private_chat_and_to_one_person,
    test_words_in_braces_are_asked_for_each_time_in_the_language_of_the_chat,
)

__all__ = [
    "test_a_button_of_a_deleted_template_says_so",
    "test_a_question_is_kept_by_a_reply_and_asked_again_with_one_tap",
    "test_it_is_renamed_deleted_and_both_can_be_taken_back",
    "test_templates_belong_to_the_private_chat_and_to_one_person",
    "test_words_in_braces_are_asked_for_each_time_in_the_language_of_the_chat",
]

APP = """

from govorun import App

app = App(without=[word.removeprefix("/") for word in WORDS])
app.add_feature(UserTemplates)
"""


@pytest.fixture
def bot_app(tmp_path: Path) -> App:
    file = tmp_path / "their_templates.py"
    file.write_text(Path(user_templates.__file__).read_text() + APP)
    return find(f"{file}:app")
