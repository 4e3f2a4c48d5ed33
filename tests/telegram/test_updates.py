"""Reading one update: only what is used is looked at, and nothing in it can do more than make it unreadable."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.ports import Received
from bot.telegram.receiving import parsing
from bot.telegram.receiving.parsing import Me, UnreadableUpdate
from bot.types import Attachment, Incoming, Kind
from tests.support.table import table

ME = Me(4200000042, "govorun_bot")
ROW = Received(7, ME.id, 1, "", 0, datetime(2027, 1, 1, tzinfo=UTC))
ANNA = {"id": 1001, "is_bot": False, "first_name": "Anna", "language_code": "en"}
PRIVATE = {"id": 1001, "type": "private"}
TEAM = {"id": -1001000000001, "type": "supergroup"}


def message(text: str | None = "hello", **fields: Any) -> dict[str, Any]:
    said = {} if text is None else {"text": text}
    return {"message_id": 5, "from": ANNA, "chat": PRIVATE, "date": 1_800_000_000, **said, **fields}


def read(kind: str = "message", **fields: Any) -> Incoming | None:
    return parsing.read({"update_id": 1, kind: message(**fields)}, ROW, ME)


# --- what is said -----------------------------------------------------------------------------------------------------


def test_a_message_is_read() -> None:
    found = read()
    assert found is not None
    assert (found.text, found.kind, found.id, found.ids, found.message_id) == ("hello", Kind.MESSAGE, "7", (7,), 5)
    assert (found.user.id, found.user.name, found.user.language) == (1001, "Anna", "en")
    assert (found.address.key, found.private, found.at) == (
        "4200000042//1001/0", True, datetime(2027, 1, 15, 8, tzinfo=UTC),
    )  # fmt: skip


def test_a_topic_is_part_of_the_address_only_where_it_is_one() -> None:
    topic = read(message_thread_id=12, is_topic_message=True)
    reply_thread = read(message_thread_id=12)
    assert topic is not None
    assert reply_thread is not None
    assert (topic.address.thread, reply_thread.address.thread) == (12, 0)


@table("text", ["\u2800", "\u200b\u200d", "\u3164", " ", ".", "\n\t", "\ufeff", "\0", "\u0301", "\x1b"])
def test_a_text_without_anything_to_read_is_empty(text: str) -> None:
    """F40."""
    found = read(text=text)
    assert found is not None
    assert found.text == ""


@table(
    ("text", "expected"),
    [("a\0b", "ab"), ("x\ud83dy", "x\ufffdy"), ("\ud83d\ude00", "😀"), ("\u202eabc", "\u202eabc"), ("?", "?")],
)
def test_a_text_can_always_be_stored(text: str, expected: str) -> None:
    found = read(text=text)
    assert found is not None
    assert found.text == expected
    found.text.encode()


def test_a_name_can_always_be_stored_and_never_costs_the_message() -> None:
    names: list[Any] = ["\ud800", "a\0b", 5, None, ["x"], {}]
    for name in names:
        strange: dict[str, Any] = {"from": {**ANNA, "first_name": name, "language_code": name}}
        found = read(**strange)
        assert found is not None
        found.user.name.encode()
        assert "\0" not in found.user.name
    bare: dict[str, Any] = {"from": {"id": 1001}}
    nameless = read(**bare)
    assert nameless is not None
    assert nameless.user.name == ""


@table(
    "fields",
    [
        {"forward_origin": {"type": "hidden_user", "date": 1422450181}},
        {"forward_origin": {"type": "martian"}},
        {"entities": [{"type": "brand_new", "offset": 0, "length": 99}]},
        {"chat": {**PRIVATE, "type": "private", "accent": {"wormhole": 1}}},
        {"date": None},
        {"date": 253402300800},
        {"date": 2**63},
        {"date": "yesterday"},
        {"reply_to_message": {"message_id": "?"}},
        {"reply_to_message": 5},
        {"rich_message": {"blocks": [{"type": "wormhole"}]}},
        {"reactions": {"smell": 1}},
        {"photo": 5},
        {"new_in_2030": [[[[]]]]},
    ],
)
def test_what_is_strange_in_another_place_does_not_matter(fields: dict[str, Any]) -> None:
    found = read(**fields)
    assert found is not None
    assert found.text == "hello"


def test_an_attachment_is_named_and_never_trusted() -> None:
    photo = read(text=None, photo=[{"file_id": "small"}, {"file_id": "large", "file_size": 99}], caption="look")
    assert photo is not None
    assert photo.parts == (Attachment("photo", "large", 99, "image/jpeg"),)
    assert photo.text == "look"
    for value in ({}, {"file_id": 5}, {"file_size": -1}, {"file_size": 2**70}, {"file_id": "\ud800"}):
        found = read(text=None, document=value)
        assert found is not None
        assert found.parts[0].ref in ("", "\ufffd")  # type: ignore[union-attr]
    assert read(text=None, photo=[]) is not None


# --- who says it, to whom ---------------------------------------------------------------------------------------------


@table(
    "fields",
    [
        {"from": {**ANNA, "id": 777000}},
        {"from": {**ANNA, "id": 1087968824}},
        {"from": {**ANNA, "id": 136817688}, "sender_chat": {"id": -100, "type": "channel"}},
        {"from": {**ANNA, "is_bot": True}},
        {"from": {"id": ME.id, "is_bot": True}},
        {"from": None},
        {"sender_chat": {"id": -100}},
        {"text": None, "new_chat_members": [ANNA] * 50},
        {"text": None, "left_chat_member": {"id": ME.id}},
        {"text": None, "pinned_message": {"date": 0}},
        {"text": 5},
    ],
)
def test_nobody_in_person_is_not_answered(fields: dict[str, Any]) -> None:
    assert read(**fields) is None


@table(
    ("text", "expected"),
    [
        ("hello all", None),
        ("@govorun_bot what now?", "what now?"),
        ("@GOVORUN_BOT, what now?", "what now?"),
        ("what now @govorun_bot", "what now"),
        ("@govorun_bottle what now?", None),
        ("/help", "/help"),
        ("/help@govorun_bot", "/help@govorun_bot"),
        ("/help@Govorun_Bot now", "/help@Govorun_Bot now"),
        ("/help@other_bot", None),
        ("/stop@other_bot", None),
        ("mail@govorun_bot.example", "mail.example"),
    ],
)
def test_in_a_group_only_what_is_for_the_bot_is_heard(text: str, expected: str | None) -> None:
    found = read(text=text, chat=TEAM)
    assert (found.text if found else None) == expected


def test_a_reply_to_the_bot_is_for_the_bot() -> None:
    assert read(chat=TEAM, reply_to_message={"message_id": 3, "from": {"id": ME.id}}) is not None
    assert read(chat=TEAM, reply_to_message={"message_id": 3, "from": ANNA}) is None


@table("text", ["/stop", "/STOP", " /stop ", "/stop@govorun_bot"])
def test_stop_never_waits(text: str) -> None:
    found = read(text=text)
    assert found is not None
    assert found.kind is Kind.STOP


@table("text", ["/stopp", "/stop it", "stop"])
def test_what_only_looks_like_stop_is_a_message(text: str) -> None:
    found = read(text=text)
    assert found is not None
    assert found.kind is Kind.MESSAGE


# --- other kinds ------------------------------------------------------------------------------------------------------


def test_a_press_is_read_even_on_a_message_that_is_gone() -> None:
    place = {"chat": PRIVATE, "message_id": 9, "date": 0}
    found = parsing.read({"callback_query": {"id": "1", "from": ANNA, "message": place, "data": "k"}}, ROW, ME)
    assert found is not None
    assert (found.kind, found.data, found.message_id) == (Kind.BUTTON, "k", 9)


@table("data", ["\ud800", "a\0b", 5, None, [], "😀" * 500])
def test_what_a_button_carries_can_always_be_looked_up(data: Any) -> None:
    query = {"id": "1", "from": ANNA, "message": {"chat": PRIVATE, "message_id": 9}, "data": data}
    found = parsing.read({"callback_query": query}, ROW, ME)
    assert found is not None
    found.data.encode()


@table(
    ("status", "kind"),
    [("kicked", Kind.BLOCKED), ("left", Kind.BLOCKED), ("member", Kind.UNBLOCKED), ("ghost", Kind.UNBLOCKED)],
)
def test_the_bots_own_standing_is_followed(status: str, kind: Kind) -> None:
    found = parsing.read({"my_chat_member": {"chat": PRIVATE, "new_chat_member": {"status": status}}}, ROW, ME)
    assert found is not None
    assert found.kind is kind


@table(
    ("chat", "status", "has_desk", "seen"),
    [
        (TEAM, "left", True, True),
        (TEAM, "kicked", True, True),
        (TEAM, "member", True, False),
        ({**TEAM, "id": -1001000000009}, "left", True, False),
        (TEAM, "left", False, False),
    ],
)
def test_who_leaves_a_group_of_operators_is_noticed(
    chat: dict[str, Any], status: str, has_desk: bool, seen: bool
) -> None:
    me = Me(ME.id, ME.username, attends={TEAM["id"]}, has_desk=has_desk)  # type: ignore[arg-type]
    body = {"chat": chat, "from": ANNA, "new_chat_member": {"status": status, "user": ANNA}}
    found = parsing.read({"chat_member": body}, ROW, me)
    assert (found is not None and (found.kind, found.user.id) == (Kind.LEFT, 1001)) == seen


@table(
    ("event", "name"),
    [
        ({"forum_topic_created": {"name": "Mine", "icon_color": 1}}, "Mine"),
        ({"forum_topic_created": {"name": "hello", "is_name_implicit": True}}, ""),
        ({"forum_topic_edited": {"name": "New\nname"}}, "Newname"),
    ],
)
def test_the_name_of_a_topic_is_followed(event: dict[str, Any], name: str) -> None:
    found = read(text=None, **event)
    assert found is not None
    assert (found.kind, found.data) == (Kind.TOPIC, name)
    assert read(text=None, forum_topic_edited={"icon_custom_emoji_id": "1"}) is None


@table("new", [True, 0, 7, 2**70, -(2**70), "-100", None, 1.5])
def test_only_a_groups_new_id_moves_a_chat(new: Any) -> None:
    found = read(text=None, chat=TEAM, migrate_to_chat_id=new)
    assert found is None or found.kind is not Kind.MIGRATED
    moved = read(text=None, chat=TEAM, migrate_to_chat_id=-1001000000100)
    assert moved is not None
    assert (moved.kind, moved.data) == (Kind.MIGRATED, "-1001000000100")


# --- numbers and names ------------------------------------------------------------------------------------------------


@table("given", [None, True, -1, 2**63, 2**70, "5", 1.0, [], {}])
def test_an_update_without_a_number_is_none(given: Any) -> None:
    assert parsing.number({"update_id": given}) is None
    assert parsing.number(given) is None


def test_the_same_thing_has_the_same_name_under_another_number() -> None:
    one, other = {"update_id": 1, "message": message()}, {"update_id": 2, "message": message()}
    assert parsing.once(one) == parsing.once(other) != ""
    edited = {"update_id": 3, "edited_message": message(edit_date=5)}
    assert parsing.once(edited) != parsing.once(one)
    assert parsing.once({"update_id": 4, "message": message(chat=TEAM)}) != parsing.once(one)


def test_two_edits_of_one_second_are_two_and_a_repeated_one_is_one() -> None:
    edits = [{"edited_message": message(text, edit_date=5)} for text in ("a", "b", "a")]
    first, second, again = (parsing.once(edit) for edit in edits)
    assert first == again != second
    assert parsing.original(edits[0]) == parsing.once({"message": message()})


def test_a_date_of_an_edit_may_be_anything() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    dates: tuple[Any, ...] = (deep, {}, "\ud800", 10**300, -1, True, 1.5)
    for date in dates:
        parsing.once({"edited_message": message(edit_date=date)}).encode()


def test_broken_things_are_not_taken_for_one_another() -> None:
    broken: list[dict[str, Any]] = [
        {},
        {"message": {"chat": {}}},
        {"message": {"chat": PRIVATE}},
        {"callback_query": {"id": None}},
    ]
    assert len({parsing.once(update) for update in broken}) == 4


# --- anything at all --------------------------------------------------------------------------------------------------

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(), max_size=8),
    st.sampled_from(["\ud800", "\0", "/stop", "kicked", "@govorun_bot", "🙂" * 3000, "x" * 4000]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["id", "type", "from", "file_id", "message_id", "status"]), st.integers()),
)
VALID: list[dict[str, Any]] = [
    {"message": message(is_topic_message=True, message_thread_id=3, reply_to_message=message(), caption="c")},
    {"message": message("@govorun_bot /stop", chat=TEAM, photo=[{"file_id": "a", "file_size": 1}], media_group_id="1")},
    {"message": message(None, chat=TEAM, migrate_to_chat_id=-1001000000100)},
    {"edited_message": message(edit_date=1)},
    {"callback_query": {"id": "1", "from": ANNA, "message": message(), "data": "k"}},
    {"stopped_message_generation": {"chat": PRIVATE, "draft_id": 1, "message_thread_id": 2}},
    {"my_chat_member": {"chat": PRIVATE, "from": ANNA, "new_chat_member": {"status": "kicked"}}},
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a JSON-like value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from places(inner)


@given(st.data())
def test_no_mutation_of_an_update_does_more_than_make_it_unreadable(data: st.DataObject) -> None:
    update = copy.deepcopy(data.draw(st.sampled_from(VALID)))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(list(places(update))))
        if isinstance(container, dict) and data.draw(st.booleans()):
            del container[key]
        else:
            container[key] = data.draw(ODD)
        if not list(places(update)):
            break
    parsing.once(update).encode()
    parsing.press(update).encode()
    parsing.album(update)
    try:
        found = parsing.read(update, ROW, ME)
    except UnreadableUpdate as bad:
        str(bad).encode()
        return
    if found is not None:
        for text in (found.text, found.data, found.user.name, found.user.language):
            text.encode()
        for number in (found.address.chat, found.address.thread, found.user.id, found.message_id, found.reply_to):
            assert -(2**63) <= number < 2**63


@given(st.recursive(ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)))
def test_no_json_at_all_does_more_than_be_unreadable(value: Any) -> None:
    json.dumps(value)
    assert parsing.number(value) is None or isinstance(value, dict)
    if isinstance(value, dict):
        assert parsing.read(value, ROW, ME) is None


def test_a_topic_of_a_group_is_not_our_conversation() -> None:
    assert read(text=None, chat=TEAM, forum_topic_created={"name": "Plans", "icon_color": 1}) is None
