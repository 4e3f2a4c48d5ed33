"""Pinned facts, summaries and the next request: /context, /prompt, /pin, /summary. Begin with `ConversationMemory`.

A cheap model summarises long conversations in the background (`summarise`). A request holds the summary and the newest
messages, which are never summarised. Users can read, edit and undo a summary; the messages themselves are kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.conversation import branching
from bot.conversation.helper_model import HelperModel
from bot.conversation.request import Preview
from bot.errors import BadInput
from bot.feature import Feature, Turn, awaited, command, job, press, section
from bot.llm import prompt
from bot.outbox import Answer, Ask, Choice, Page
from bot.prompts.catalog import instruct
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Store, Tx
from bot.storage.tables.history import FACTS, NEWEST_SUMMARY, Fact, Summary
from bot.texts.catalog import say
from bot.texts.numbers import separated
from bot.types import File, Incoming, Job, Message, Outgoing, Text, User

KIND = "summary"
VERBATIM = 20  # newest messages that a summary leaves out
ENOUGH = 40  # messages after the last summary that make the next summary due
LOOK_BACK = 400  # messages that one summary covers at most
LONGEST_FACT = 1_000  # characters
MOST_FACTS = 20
READ = 24_000  # characters of a conversation that the model reads for a summary
SUMMARY_TOKENS = 700
SHOWN = 160  # characters of a fact or a summary in the list

Withdrawn = Callable[[Tx, Incoming, int], Collection[int]]  # answers of a conversation, which see `TurnStart`


@dataclass(frozen=True, slots=True)
class Kept:
    """The pinned facts and the summary that go into a request besides the newest messages."""

    facts: Sequence[Fact] = ()
    summary: Summary | None = None

    def preface(self, language: str) -> str:
        """Facts and summary as a part of the system prompt; "" if there are none."""
        parts = []
        if self.facts:
            rows = (f"- {fact.text}" for fact in self.facts)
            parts.append("\n".join((instruct(language, "facts.preface"), *rows)))
        if self.summary is not None:
            parts.append(instruct(language, "summary.preface") + "\n" + self.summary.text)
        return "\n\n".join(parts)


def apply(
    tx: Tx, conversation: int, branch: Sequence[Remembered], withdrawn: Collection[int] = ()
) -> tuple[Kept, Sequence[Remembered]]:
    """The facts and summary of a conversation, and the messages of `branch` that the summary does not cover.

    A summary that ends in another branch is not used, and none that covers a `withdrawn` answer.
    """
    facts, summary = tx.all(FACTS, conversation_id=conversation), tx.one(NEWEST_SUMMARY, conversation_id=conversation)
    if summary is not None and min(withdrawn, default=summary.upto + 1) <= summary.upto:
        summary = None
    last = next((at for at, row in enumerate(branch) if summary is not None and row.id == summary.upto), None)
    return (Kept(facts), branch) if last is None else (Kept(facts, summary), branch[last + 1 :])


def none_withdrawn(_tx: Tx, _incoming: Incoming, _conversation: int) -> Collection[int]:
    """The answers that are withdrawn in a bot without a knowledge base: none."""
    return ()


def without(branch: Sequence[Remembered], withdrawn: Collection[int]) -> Sequence[Remembered]:
    """The messages of `branch` without the `withdrawn` answers and the questions that these answered. What a server
    remembers of later answers is not used either.
    """
    if not withdrawn:
        return branch
    first, left_out = min(withdrawn), {*withdrawn, *(row.parent for row in branch if row.id in withdrawn)}
    kept = (row for row in branch if row.id not in left_out)
    return [replace(row, response=None) if row.id > first else row for row in kept]


def request_summary(tx: Tx, incoming: Incoming, last: Remembered, count: int, language: str) -> None:
    """Add the job that summarises a conversation if `count`, its messages after the last summary, is high enough."""
    if count >= ENOUGH:
        payload = {
            "user": last.user,
            "language": language,
            "conversation": last.conversation,
            "tip": last.id,
            "turn": incoming.id,
        }
        tx.jobs.add_job(Job(KIND, f"{last.conversation}/{last.id}", incoming.address, payload, due=tx.clock.time()))


@dataclass(slots=True, kw_only=True)
class ConversationMemory(Feature):
    """/context, /prompt, /pin and /summary. `preview` builds the next request; without `helper_model` no summaries.

    Answers that are `withdrawn`, and their questions, are in no new summary.
    """

    store: Store
    helper_model: HelperModel | None
    preview: Callable[[Tx, Incoming], Preview]
    withdrawn: Withdrawn

    # --- what is there ------------------------------------------------------------------------------------------------

    @command("/context")
    @section("memory")
    def show(self, tx: Tx, incoming: Turn) -> Page:
        """What the next request will hold, and its size in tokens."""
        language, conversation = incoming.language, tx.messages.current_conversation(incoming.address)
        preview = self.preview(tx, incoming)
        context, tokens = preview.context, preview.ratio.tokens
        count, characters = preview.said
        facts, summary = (
            tx.all(FACTS, conversation_id=conversation),
            tx.one(NEWEST_SUMMARY, conversation_id=conversation),
        )
        files = tx.documents.list_documents(conversation)
        persona, window = context.persona, preview.option.model.profile.window
        parts = list[int]()

        def sized(key: str, characters: int, **values: Any) -> str:
            """A line with the tokens of a part of the request, which the last line adds up."""
            parts.append(tokens(characters))
            return say(language, key, tokens=separated(parts[-1], language), **values)

        model = say(language, "context.model", model=preview.option.title, window=separated(window, language))
        lines = [
            say(language, "context.persona", persona=persona.name(language), version=persona.version),
            sized("context.system", preview.instructions),
        ]
        if context.topic is not None:
            choice, table = context.topic.choice, context.topic.table
            title = " / ".join(table.title(key, language) for key in choice.between or (choice.topic,))
            way = say(language, f"topic.way.{'asked' if choice.between else choice.reason}")
            lines.append(say(language, "context.topic", title=title, way=way))
        if preview.request.tools:
            size = prompt.size(replace(preview.request, messages=()))
            lines.append(sized("context.tools", size, count=len(preview.request.tools)))
        if context.preface:
            lines.append(sized("context.kept", len(context.preface)))
        kept = [say(language, "context.fact", text=_short(fact.text)) for fact in facts]
        here = {"conversation": conversation}
        rows = [[Choice("✕ " + _short(one.text, 30), "fact.unpin", {**here, "fact": one.id})] for one in facts]
        if summary is not None and summary.text in context.preface:  # else it belongs to another branch
            key = "context.summary.user" if summary.author == "user" else "context.summary.model"
            kept.append(say(language, key, text=_short(summary.text)))
            version, steps = _versions(tx, language, here)
            kept += version
            rows.append(steps)
        for one in files:
            weight = separated(tokens(one.characters), language)
            lines.append(say(language, "context.document", name=one.name, tokens=weight))
            rows.append([Choice(f"✕ 📄 {_short(one.name, 30)}", "document.remove", {**here, "document": one.id})])
        if preview.passages:
            lines.append(sized("context.passages", preview.passages))
        elif context.retrieved.text:
            lines.append(sized("context.documents", len(context.retrieved.text)))
        lines.append(sized("context.messages", characters, count=count))
        lines.append(say(language, "context.total", tokens=separated(sum(parts), language)))
        lines.append(say(language, "context.prompt"))
        remembered = [*(kept or [say(language, "context.kept.none")]), say(language, "context.kept.how")]
        return Page("\n".join([model, "", *remembered, "", *lines]), rows)

    @command("/prompt")
    def prompt(self, tx: Tx, turn: Turn) -> Outgoing | str:
        """Show the next request to the model word for word, as a file if it is longer than a message."""
        preview = self.preview(tx, turn)
        text = _as_text(preview)
        if preview.passages:
            text += "\n\n" + turn.say("context.passages", tokens=preview.ratio.tokens(preview.passages))
        if len(text) <= branching.LONGEST:
            return text
        file = File(text.encode(), "document", "prompt.txt")
        said = turn.say("prompt.file", tokens=separated(preview.tokens, turn.language))
        return Outgoing(said, plain=True, file=file, instead=said)

    @press("document.remove")
    def remove_document(self, tx: Tx, turn: Turn, conversation: int, document: int) -> Page:
        """Remove a document from the conversation, and show what is left in the same message."""
        tx.documents.delete_document(conversation, document)
        return self.show(tx, turn)

    # --- facts --------------------------------------------------------------------------------------------------------

    @command("/pin")
    def pin(self, tx: Tx, turn: Turn) -> str:
        """Keep the words after the command, or the message it replies to, for all later requests."""
        said = None if turn.rest else branching.replied(tx, turn.address, turn.reply_to)
        text = turn.rest or (said.text if said is not None else "")
        conversation = tx.messages.current_conversation(turn.address)
        if not text.strip():
            raise BadInput(turn.say("pin.usage"))
        if len(text) > LONGEST_FACT:
            raise BadInput(turn.say("pin.long", limit=LONGEST_FACT, length=len(text)))
        if len(tx.all(FACTS, conversation_id=conversation)) >= MOST_FACTS:
            raise BadInput(turn.say("pin.many", limit=MOST_FACTS))
        tx.add(Fact(conversation_id=conversation, user=turn.user.id, text=text, at=tx.clock.time()))
        return turn.say("pin.done")

    @press("fact.unpin")
    def unpin(self, tx: Tx, turn: Turn, conversation: int, fact: int) -> Page:
        """Delete a pinned fact, and show what is left in the same message."""
        tx.remove(Fact, conversation_id=conversation, id=fact)
        return self.show(tx, turn)

    # --- the summary --------------------------------------------------------------------------------------------------

    @command("/summary")
    def summary(self, tx: Tx, turn: Turn) -> Answer | str:
        """Show the summary that counts in full, with buttons to its other versions."""
        conversation = tx.messages.find_current_conversation(turn.address)
        if conversation is None or tx.one(NEWEST_SUMMARY, conversation_id=conversation) is None:
            return turn.say("summary.none", count=ENOUGH)
        return _in_full(tx, turn, conversation)

    @press("summary.edit")
    def ask_summary(self, tx: Tx, turn: Turn, conversation: int) -> Ask:
        """Ask the user for the new text of the summary, and show the present text."""
        found = tx.one(NEWEST_SUMMARY, conversation_id=conversation)
        now = found.text if found is not None else ""
        return Ask("summary.edit", f"{turn.say('summary.edit.ask')}\n\n{now}", conversation=conversation)

    @awaited("summary.edit")
    def edit_summary(self, tx: Tx, turn: Turn, conversation: int) -> Answer:
        """Store the message as the user's own version of the summary."""
        found = tx.one(NEWEST_SUMMARY, conversation_id=conversation)
        if found is not None:
            tx.memory.add_summary(conversation, turn.text.strip(), found.upto, "user")
        undo = Choice(turn.say("ask.undo"), "summary.undo", {"conversation": conversation})
        return Answer(turn.say("summary.saved"), choices=[undo])

    @press("summary.undo", "summary.redo")
    def step(self, tx: Tx, turn: Turn, conversation: int, in_full: bool = False) -> Answer | Page:
        """Go to the version of the summary before or after the one that counts, and show it in the same message."""
        tx.memory.step_summary(conversation, -1 if turn.pressed.name == "summary.undo" else 1)
        return _in_full(tx, turn, conversation) if in_full else self.show(tx, turn)

    @job(KIND)
    async def summarise(self, job: Job) -> None:
        """Summarise the last summary and all messages after it, except the newest `VERBATIM`."""
        conversation, language = int(job.payload["conversation"]), job.payload["language"]
        user = int(job.payload["user"])
        asked = Incoming("", job.address, User(user), private=job.address.chat == user)

        def find(tx: Tx) -> tuple[Summary | None, Sequence[Remembered]]:
            said = branching.without_open(tx.messages.list_branch(job.payload["tip"], LOOK_BACK))
            withdrawn = self.withdrawn(tx, asked, conversation)
            kept, branch = apply(tx, conversation, said, withdrawn)
            return kept.summary, without(branch[:-VERBATIM], withdrawn)

        before, old = await self.store.read(find)
        if old and self.helper_model is not None:
            upto = old[-1].id
            text = _to_read(before, old)

            def keep(tx: Tx, answer: str) -> None:
                if answer:
                    tx.memory.add_summary(conversation, answer, upto, "model")

            await self.helper_model.ask(job, instruct(language, "summary"), text, SUMMARY_TOKENS, keep)
        await self.store.write(lambda tx: tx.jobs.delete_done(job))


def _versions(tx: Tx, language: str, payload: Mapping[str, Any]) -> tuple[list[str], list[Choice]]:
    """Which version of the summary counts, as a line if there are others; and buttons that edit it or go to others.

    `payload` is that of the buttons: the `conversation`, and whether they show the summary `in_full`.
    """
    place, count = tx.memory.place_of_summary(payload["conversation"])
    steps = {"summary.edit": True, "summary.undo": place > 1, "summary.redo": place < count}
    version = [say(language, "context.version", number=place, count=count)] if count > 1 else []
    return version, [Choice(say(language, key), key, payload) for key, is_possible in steps.items() if is_possible]


def _in_full(tx: Tx, turn: Turn, conversation: int) -> Answer:
    """The whole summary that counts, in the message whose button was pressed if there is one."""
    found = tx.one(NEWEST_SUMMARY, conversation_id=conversation)
    version, steps = _versions(tx, turn.language, {"conversation": conversation, "in_full": True})
    text = "\n\n".join(filter(None, (found.text if found is not None else "", *version)))
    return Answer(text, choices=[steps], over=True)


def _as_text(preview: Preview) -> str:
    """The request as the user reads it: each message below its role, then the tools with their schemas."""
    shown = [(f"[{row.role}]", _words(row)) for row in preview.request.messages]
    for tool in preview.request.tools:
        schema = json.dumps(tool.parameters, ensure_ascii=False)
        shown.append((f"[tool] {tool.name}", f"{tool.description}\n{schema}"))
    return "\n\n".join(f"{head}\n{text}" for head, text in shown)


def _words(message: Message) -> str:
    parts = (part.text if isinstance(part, Text) else f"[{type(part).__name__.lower()}]" for part in message.parts)
    return "\n".join(parts)


def _to_read(before: Summary | None, said: Sequence[Remembered]) -> str:
    """The text for the model: the last summary, and the newest `READ` characters of the messages."""
    lines = [f"{_who(row)}: {row.text.strip()}" for row in said]
    text = "\n\n".join(lines)[-READ:]
    return f"{before.text}\n\n{text}" if before is not None else text


def _who(row: Remembered) -> str:
    """Who said a message: the user's name, or "assistant" (an answer carries the name of the user who asked)."""
    return row.speaker or "user" if row.message.role == "user" else row.message.role


def _short(text: str, longest: int = SHOWN) -> str:
    words = " ".join(text.split())
    return words if len(words) <= longest else words[: longest - 1] + "…"
