"""What comes with a customer's message beside its text: operators see it, and secrets in it are hidden, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.app.application import App
from bot.testing.studio import StudioSide
from bot.testing.tg import Desk, DeskTopic, Person, Tg

FORWARDED = {"forward_origin": {"type": "hidden_user", "sender_user_name": "Sam @boss", "date": 1}}


@pytest.fixture
def bot_app() -> App:
    return App(system_prompt="x", tools=[], embeddings="off")


async def held(tg: Tg, customer: Person, folder: Path | None = None) -> tuple[DeskTopic, Desk]:
    olga = tg.user("Olga")
    desk = await tg.connect_desk("Support", olga, folder=folder)
    await customer.say("/human")
    topic = desk.topic(customer)
    await topic.press(olga, "Take")
    return topic, desk


async def test_operators_see_who_wrote_what_a_customer_forwards_also_of_a_file(tg: Tg) -> None:
    ann = tg.user("Ann")
    topic, _ = await held(tg, ann)
    await ann.send_content({"text": "You get 50 back.", **FORWARDED})
    shown = topic.said()[-1]
    assert shown.text == "You get 50 back.\n↪ Forwarded, written by Sam @\u2060boss"
    assert shown.raw["entities"][-1] == {"type": "blockquote", "offset": 17, "length": 34}
    photo = [{"file_id": "p", "file_unique_id": "p", "width": 1, "height": 1}]
    await ann.send_content({"photo": photo, "caption": "see", **FORWARDED})
    assert topic.said()[-1].text == "see\n↪ Forwarded, written by Sam @\u2060boss"


async def test_operators_see_what_a_customer_quotes_and_an_answer_that_they_have_not_seen(
    tg: Tg, studio: StudioSide
) -> None:
    ann = tg.user("Ann")
    studio.says("Red costs 5. Blue costs 7.")
    answer = await ann.say("prices?")
    topic, _ = await held(tg, ann)
    quote: dict[str, Any] = {"text": "Blue costs 7.", "position": 13}
    await ann.send_content({"text": "still so?", "reply_to_message": answer.raw, "quote": quote})
    assert topic.said()[-1].text == (
        "still so?\n↩ Replies to the bot or an operator:\nRed costs 5. Blue costs 7.\n❝ Quotes:\nBlue costs 7."
    )


async def test_the_number_of_a_card_in_a_quoted_message_is_hidden(tg: Tg, tmp_path: Path) -> None:
    (folder := tmp_path / "desk").mkdir()
    (folder / "desk.toml").write_text("[mask]\ncards = true\n")
    ann = tg.user("Ann")
    topic, _ = await held(tg, ann, folder)
    quote = {"text": "card 4111 1111 1111 1111", "position": 0}
    await ann.send_content({"text": "take it from this", "quote": quote, "external_reply": {"origin": {}}})
    assert "4111" not in topic.said()[-1].text
    assert "1111" in topic.said()[-1].text
