"""A source that may be read switches nothing else off: what comes of each feature at each level, in each kind of chat.

The table is `FEATURES`: for each feature what the model does, and the sentence that people read at each level. "" means
that it is refused: the sources do not say that, and nothing was paid for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot import App, Preparation, ToolContext
from bot.storage.tables.knowledge import KnowledgeSource
from bot.texts.catalog import say
from tests.media.test_attached import picture
from tests.support.choosing import written
from tests.support.known import kept
from tests.support.scripted_model import ScriptedModel, call
from tests.support.stage import ANNA, TEAM, OneReading, Stage
from tests.support.telegram_side import rows, soon

WARRANTY = "# Warranty\n\nLaptops are repaired for free for one year. Repairs take 5 days.\n"
COVERED = "Are laptops repaired for free for one year?"
QUOTED = "Laptops are repaired for free for one year."
NAME = "@govorun_sandbox_bot "
LEVELS = ("no source", "open", "cited", "judged", "extract")
STRICT = ("cited", "judged", "extract")
TOAST = 'title.en = "Toast"\nprompt.en = "Write a toast for {whom}, who repairs laptops."\n'
TOAST += '[[fields]]\nname = "whom"\nlabel.en = "For whom is it?"\n'


@pytest.fixture
def bot_app() -> App:
    app = OneReading()

    @app.instructions
    async def who(asker: ToolContext) -> str:
        return "The customer has the golden plan."

    @app.before_answer
    async def before(asker: ToolContext, question: str) -> Preparation | None:
        return Preparation(passages=["Order 7 arrives on Friday."]) if "order 7" in question.lower() else None

    @app.tool
    async def stock(item: str) -> str:
        """How many of an item are in stock.

        item: its name
        """
        return f"{item}: 12"

    return app


@dataclass
class Place:
    """Where a feature is tried: one chat of one bot."""

    stage: Stage
    model: ScriptedModel
    chat: int

    @property
    def is_group(self) -> bool:
        return self.chat < 0

    def named(self, text: str) -> str:
        return f"{NAME}{text}" if self.is_group else text

    async def ask(self, text: str) -> str:
        return await self._next(lambda: self.stage.telegram.say(self.chat, self.named(text), ANNA))

    async def command(self, text: str) -> str:
        head, _, rest = text.partition(" ")
        full = f"{head}{NAME.strip()} {rest}" if self.is_group else text
        return await self._next(lambda: self.stage.telegram.say(self.chat, full, ANNA))

    async def upload(self, data: bytes, caption: str, **how: Any) -> str:
        said = self.stage.telegram.transcript(self.chat)
        mine = [one for one in said if one["from"]["id"] == self.stage.telegram.state.profile.id]
        answers = {} if caption or not self.is_group else {"reply_to": mine[-1]["message_id"]}
        words = self.named(caption) if caption else ""
        return await self._next(
            lambda: self.stage.telegram.upload(self.chat, data, caption=words, user_id=ANNA, **answers, **how)
        )

    async def _next(self, act: Callable[[], object]) -> str:
        before = len(self.stage.telegram.texts(self.chat))
        act()
        await self.stage.texts(before + 1, self.chat)
        await soon(self.stage, lambda: idle(self.stage) or None)
        return self.stage.telegram.texts(self.chat)[-1]


def idle(stage: Stage) -> bool:
    open_ = rows(stage, "SELECT 1 FROM updates WHERE state IN ('new', 'begun')")
    return not open_ and not rows(stage, "SELECT 1 FROM deliveries WHERE state NOT IN ('sent', 'dead')")


@dataclass(frozen=True)
class Feature:
    """`said` is what the model does, one row for each request; `expected` the beginnings of what people read."""

    name: str
    try_it: Callable[[Place], Awaitable[str]]
    said: Sequence[Any]
    expected: Mapping[str, str]
    holds: Sequence[str] = ()  # in the last request of the model, where it is asked
    below: Mapping[str, str] = field(default_factory=dict)  # what stands below the answer at a level


def asks(text: str) -> Callable[[Place], Awaitable[str]]:
    return lambda place: place.ask(text)


def same(text: str) -> Mapping[str, str]:
    return dict.fromkeys(LEVELS, text)


def free(text: str) -> Mapping[str, str]:
    """Answered where the model's own sentences go out, refused where each needs a source."""
    return {**same(text), **dict.fromkeys(STRICT, "")}


def rests(text: str) -> Mapping[str, str]:
    """Answered at all levels; where each sentence needs a source it has a number."""
    return {**same(text), **dict.fromkeys(STRICT, f"{text}¹")}


def from_(origin: str, **values: str) -> Mapping[str, str]:
    return dict.fromkeys(STRICT, f"¹ {say('en', f'kb.from.{origin}', **values)}")


FEATURES = [
    Feature(
        "a question that the sources answer",
        asks(COVERED),
        [f"{QUOTED} [a1]"],
        {
            "no source": QUOTED,
            "open": f"{QUOTED}¹",
            "cited": f"{QUOTED}¹",
            "judged": f"{QUOTED}¹",
            "extract": f"{say('en', 'sources.extract')}\n\n{QUOTED}¹",
        },
        holds=["golden plan"],
    ),
    Feature(
        "a photo with a caption",
        lambda place: place.upload(picture(30, 15), "What is this?"),
        ["A red lamp on a desk."],
        rests("A red lamp on a desk."),
        below=from_("picture"),
    ),
    Feature(
        "a photo alone",
        lambda place: place.upload(picture(30, 15), ""),
        ["Two cats and 3 dogs."],
        rests("Two cats and 3 dogs."),
        below=from_("picture"),
    ),
    Feature("a haiku", asks("Write a haiku about autumn"), ["Leaves fall."], free("Leaves fall.")),
    Feature("a translation", asks("Translate 'good morning' into French"), ["Bonjour."], free("Bonjour.")),
    Feature(
        "the clock",
        asks("what time is it now?"),
        [[call("current_time")], "It is Friday, 15 January."],
        rests("It is Friday, 15 January."),
        below=from_("tool", tool="current_time"),
    ),
    Feature(
        "the calculator",
        asks("how much is 7 * 8?"),
        [[call("calculator", expression="7 * 8")], "7 times 8 is 56."],
        rests("7 times 8 is 56."),
        below=from_("tool", tool="calculator"),
    ),
    Feature(
        "a tool of the App",
        asks("How many lamps are in stock?"),
        [[call("stock", item="lamp")], "We have 12 lamps."],
        rests("We have 12 lamps."),
        below=from_("tool", tool="stock"),
    ),
    Feature(
        "what @app.instructions say",
        asks("Which plan do I have?"),
        ["You have the golden plan."],
        free("You have the golden plan."),
        holds=["The customer has the golden plan."],
    ),
    Feature(
        "passages of @app.before_answer",
        asks("When does order 7 arrive?"),
        ["Order 7 arrives on Friday."],
        {
            **rests("Order 7 arrives on Friday."),
            "extract": f"{say('en', 'sources.extract')}\n\nOrder 7 arrives on Friday.¹",
        },
        holds=["Order 7 arrives on Friday."],
        below=from_("program"),
    ),
    Feature(
        "an own document",
        lambda place: place.upload(
            b"The rent of the flat is 900 euros.",
            "How much is the rent?",
            kind="document",
            name="flat.txt",
            mime="text/plain",
        ),
        ["The rent of the flat is 900 euros."],
        same("The rent of the flat is 900 euros.¹"),
        below=same("¹ flat.txt"),
    ),
    Feature(
        "a search of the web",
        asks("Search the web for the height of Everest"),
        [[call("web_search", query="height of Everest")], "The pages tell about Everest."],
        rests("The pages tell about Everest."),
        below=same(".example/"),
    ),
    Feature(
        "a reminder by the model",
        asks("Remind me in 20 minutes to call mum"),
        [[call("remind", when="in 20 minutes", text="call mum")], "I will remind you in 20 minutes."],
        rests("I will remind you in 20 minutes."),
        below=from_("tool", tool="remind"),
    ),
    Feature("small talk", asks("Hello!"), ["Hello! How can I help?"], same("Hello! How can I help?")),
    Feature(
        "a template",
        lambda place: place.command("/write toast\nwhom: Bob"),
        ["To Bob!"],
        same("To Bob!"),
        holds=["Write a toast for Bob"],
    ),
]


async def opened(stage: Stage, folder: Path, level: str, chat: int = ANNA, **settings: Any) -> Place:
    model = ScriptedModel(vision=True)
    stage.given = {"routing": model.routing}
    written(folder, TOAST, "toast", "write")
    knowledge = "cited" if level == "no source" else level
    bot = await stage.start(
        knowledge=knowledge,
        embeddings="off",
        owners=[ANNA],
        prompts_dir=folder,
        summaries=False,
        tools=["time", "calculator", "reminders", "search"],
        **settings,
    )
    if level != "no source":
        docs = folder / "docs"
        docs.mkdir()
        (docs / "warranty.md").write_text(WARRANTY, "utf-8")
        base = kept(bot, docs)
        await base.sync(
            await base.add(KnowledgeSource(name="docs", kind="", address=str(docs), audience=("everyone",)))
        )
        await base.files.close()
    return Place(stage, model, chat)


@pytest.mark.parametrize("chat", [ANNA, TEAM], ids=["private", "group"])
@pytest.mark.parametrize("level", LEVELS)
async def test_each_feature_does_what_it_should_beside_a_source(
    stage: Stage, tmp_path: Path, level: str, chat: int
) -> None:
    place, failures = await opened(stage, tmp_path, level, chat), list[str]()
    for one in FEATURES:
        await place.command("/new")
        place.model.answers.clear()
        place.model.answers.extend(said if level != "no source" else unmarked(said) for said in one.said)
        place.model.requests.clear()
        paid = len(rows(stage, "SELECT * FROM usage"))
        text = await one.try_it(place)
        if (expected := one.expected[level]) == "":
            assert len(rows(stage, "SELECT * FROM usage")) == paid, one.name
            assert place.model.requests == [], one.name
            expected = say("en", "kb.unanswered")
        asked = str(place.model.requests[-1].messages) if place.model.requests else None
        lacks = [words for words in one.holds if asked is not None and words not in asked]
        if not text.startswith(expected) or one.below.get(level, "") not in text or lacks:
            failures.append(f"{one.name}: expected {expected!r} + {one.below.get(level, '')!r} {lacks}, got {text!r}")
    assert failures == []


def unmarked(said: Any) -> Any:
    return said.replace(" [a1]", "") if isinstance(said, str) else said


OTHER = "Laptops are repaired for free for two years."
CONTRADICTS = [OTHER, f"{OTHER} [a1]", "Laptops are repaired for free for three years [a1]."]


@pytest.mark.parametrize("level", ["open", "cited"])
@pytest.mark.parametrize("lie", CONTRADICTS)
async def test_what_contradicts_the_sources_is_repaired_with_and_without_a_mark(
    stage: Stage, tmp_path: Path, level: str, lie: str
) -> None:
    place = await opened(stage, tmp_path, level)
    place.model.answers.extend([lie, f"{QUOTED} [a1]"])
    assert (await place.ask(COVERED)).startswith(f"{QUOTED}¹")
    assert lie.removesuffix(" [a1]").removesuffix(" [a1].") in place.model.requests[1].messages[-1].text
    assert not any("two years" in text or "three years" in text for text in stage.telegram.texts(ANNA))


@pytest.mark.parametrize("level", ["no source", "open"])
async def test_what_the_sources_do_not_cover_is_shown_while_it_is_written_as_without_them(
    stage: Stage, tmp_path: Path, level: str
) -> None:
    place = await opened(stage, tmp_path, level)
    place.model.pace = 0.2
    poem = " ".join(f"leaf{number}" for number in range(60))
    place.model.answers.append(poem)
    stage.telegram.say(ANNA, "Write a haiku about autumn")
    draft = await stage.until(lambda: next((one for one in stage.telegram.drafts if "leaf1" in one["text"]), None))
    assert len(draft["text"]) < len(poem) / 4
    assert (await stage.texts(1))[0] == poem


STAY = "Enjoy your laptop!"
OWN = {
    "We have sold 500 of them.": "500",
    "Ask Mister Dobrov about it.": "Dobrov",
    "Write to shop@other.example.": "other",
}


@pytest.mark.parametrize("fact", OWN)
async def test_facts_of_the_models_own_are_left_out_where_the_sources_are_sure_to_cover_the_question(
    stage: Stage, tmp_path: Path, fact: str
) -> None:
    place = await opened(stage, tmp_path, "open")
    place.model.answers.append(f"{QUOTED} [a1] {fact} {STAY}")
    assert (await place.ask(COVERED)).startswith(f"{QUOTED}¹ {STAY}\n")
    assert OWN[fact] not in stage.telegram.texts(ANNA)[-1]
    place.model.answers.append(f"{fact} {STAY}")
    assert (await place.ask("Tell me something about autumn")).startswith(f"{fact} {STAY}")


async def test_where_nothing_of_a_sure_answer_is_left_the_bot_says_so_and_remembers_the_gap(
    stage: Stage, tmp_path: Path
) -> None:
    place = await opened(stage, tmp_path, "open")
    place.model.answers.extend([OTHER, OTHER])
    assert (await place.ask(COVERED)).startswith(say("en", "kb.unanswered"))
    place.model.answers.append("The sources do not say.")
    assert (await place.ask("Are laptops repaired for free abroad?")).startswith(say("en", "kb.unanswered"))
    assert [reason for (reason,) in rows(stage, "SELECT reason FROM kb_gaps")] == ["refused", "refused"]


@pytest.mark.parametrize("level", ["open", "cited", "judged"])
async def test_a_tool_and_the_sources_answer_one_question_and_the_numbers_of_both_are_checked(
    stage: Stage, tmp_path: Path, level: str
) -> None:
    place = await opened(stage, tmp_path, level)
    calls = [call("calculator", expression="3 * 5")]
    question = "Repairs take how many days, and how much is 3 * 5?"
    place.model.answers.extend([["One moment.", *calls], "Repairs take 5 days [a1]. Three of them take 15 days [b1]."])
    answer = await place.ask(question)
    assert "Repairs take 5 days.¹" in answer
    assert "Three of them take 15 days." in answer
    wrong = "Three of them take 16 days [b1]."
    place.model.answers.extend([calls, wrong, wrong])
    assert "16" not in await place.ask(question)


async def test_the_answer_before_a_call_of_a_tool_keeps_its_numbers(stage: Stage, tmp_path: Path) -> None:
    place = await opened(stage, tmp_path, "open")
    first = ["Repairs take 5 days [a2].", call("calculator", expression="3 * 5")]
    place.model.answers.extend([first, "Three repairs take 15 days."])
    answer = await place.ask("Repairs take how many days, and how much is 3 * 5?")
    assert answer.startswith("Repairs take 5 days.¹\n\nThree repairs take 15 days.\n\n¹ Repairs take 5 days.")
    assert len(rows(stage, "SELECT * FROM kb_quotes")) == 1


async def test_it_is_said_what_is_not_from_the_sources_where_the_operator_wants_it(
    stage: Stage, tmp_path: Path
) -> None:
    place = await opened(stage, tmp_path, "open", kb_mark_own=True)
    for question, said, note in (
        (COVERED, f"{QUOTED} [a1]", ""),
        (COVERED, f"{QUOTED} [a1] {STAY}", say("en", "kb.own.some")),
        ("Write a haiku about autumn", "Leaves fall.", say("en", "kb.own")),
        ("Hello!", "Hello!", ""),
    ):
        place.model.answers.append(said)
        answer = await place.ask(question)
        assert answer.endswith(note or answer), question
        assert note or say("en", "kb.own") not in answer, question


async def test_an_answer_that_is_asked_for_again_or_whose_question_is_edited_goes_the_same_way(
    stage: Stage, tmp_path: Path
) -> None:
    place = await opened(stage, tmp_path, "cited")
    place.model.answers.extend([[call("current_time")], "It is Friday."])
    assert (await place.ask("What day is it today?")).startswith("It is Friday.¹")
    place.model.answers.extend([[call("current_time")], "Today is Friday."])
    await stage.press("↻")
    assert await soon(stage, lambda: newest(stage, "Today is Friday.¹"))
    sent = stage.telegram.say(ANNA, "Write a haiku about autumn")
    assert await soon(stage, lambda: newest(stage, say("en", "kb.unanswered")))
    place.model.answers.append(f"{QUOTED} [a1]")
    stage.telegram.edit(ANNA, sent["message_id"], COVERED)
    assert await soon(stage, lambda: newest(stage, f"{QUOTED}¹"))
    await place.command("/write toast\nwhom: Bob")
    place.model.answers.append("To Bob, again!")
    await stage.press("↻")
    assert await soon(stage, lambda: newest(stage, "To Bob, again!"))


def newest(stage: Stage, text: str) -> bool:
    return stage.telegram.texts(ANNA)[-1].startswith(text)


ROUTES = """
[topic.talk]
title.en = "Talk"
words = ["haiku", "laptops"]
examples = ["one thing", "another thing", "a third thing"]
knowledge = "none"
[topic.rest]
title.en = "Rest"
level = "open"
[routing]
other = "rest"
classifier = "off"
"""


async def test_a_topic_frees_itself_or_sets_the_level(stage: Stage, tmp_path: Path) -> None:
    routing = tmp_path / "routing.toml"
    routing.write_text(ROUTES, "utf-8")
    place = await opened(stage, tmp_path, "cited", routing=routing)
    for question, said, expected in (
        ("Write a haiku", "Leaves fall.", "Leaves fall."),
        ("What do laptops cost?", "About 500.", "About 500."),
        ("Are repairs free for one year?", f"{QUOTED} [a1] {STAY}", f"{QUOTED}¹ {STAY}"),
    ):
        await place.command("/new")  # a conversation keeps its topic
        place.model.answers.append(said)
        assert (await place.ask(question)).startswith(expected), question
