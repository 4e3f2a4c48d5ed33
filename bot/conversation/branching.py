"""Where in the tree of a conversation an answer belongs: decided inside the first transaction of a turn.

A new question goes on from the tip of the shown branch, a reply to an older message from there (`follow`). A question
that was edited (`revise`) and an answer that is asked for again (`again`) become versions in the same place of the
chat; an answer that broke off goes on where it ended (`resume`). `keyboard` is what stands below an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.knowledge import citations
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Address, Button, Incoming, Outgoing, Part, Text

LONGEST = 4096  # characters of one message: a longer question was made of several, of which an edit is only a piece
RETRY, RESUME, TURN = "retry", "resume", "version"  # what the buttons below an answer do
CUT = "cut"  # how an answer ended that broke off
UNFINISHED = ("stopped", "length", CUT)
THUMBS = ("👍", "👎")
FEW_WORDS = 80  # characters of a question that say which one it was


@dataclass(frozen=True, slots=True)
class BranchPoint:
    """A question in its branch, and what stands in the chat where its answer will be.

    `over` are the messages that the answer is written over, `shown` the version that stands there, `resumed` the
    answer that goes on. `tip` is where the conversation has gone meanwhile without the answer, and goes on;
    `after` what the answer follows where that is not the question itself.
    """

    question: Remembered
    over: tuple[int, ...] = ()
    shown: Remembered | None = None
    resumed: Remembered | None = None
    tip: int | None = None
    after: int | None = None

    @property
    def grows_over(self) -> int:
        """The id of the message that shows the answer while it grows: the last of `over` for a continued answer.

        0: the answer gets a new message.
        """
        return (self.over[-1] if self.resumed else self.over[0]) if self.over else 0


def follow(tx: Tx, incoming: Incoming, parts: tuple[Part, ...]) -> BranchPoint:
    """Save a question."""
    conversation, tip = tx.messages.current_tip(incoming.address)
    before = _answered(tx, replied(tx, incoming.address, incoming.reply_to))
    parent = before.id if before is not None and before.conversation == conversation else tip
    return _saved(tx, incoming, conversation, parts, parent)


def replied(tx: Tx, where: Address, message_id: int) -> Remembered | None:
    """What was said in a message of the chat, by the user or by the model."""
    if not message_id:
        return None
    question = tx.messages.find_question_at(where, message_id)
    return question if question is not None else answer_in(tx, where, message_id)


def _answered(tx: Tx, said: Remembered | None) -> Remembered | None:
    """Who replies to a question goes on from its answer, where it has one."""
    if said is None or said.message.role != "user":
        return said
    return next(iter(_answers(tx, said)[::-1]), said)


def answer_in(tx: Tx, where: Address, message_id: int, *, but: str = "") -> Remembered | None:
    """The answer that stands in a message of the chat."""
    shown = tx.outbox.find_shown(where, message_id, but=but)
    return tx.messages.find_of_turn(where, shown.of, "assistant") if shown is not None else None


def revise(tx: Tx, incoming: Incoming) -> BranchPoint | None:
    """An edited question as a new version of it. None where there is nothing to answer."""
    old = _edited(tx, incoming)
    if (
        old is None
        or old.conversation != tx.messages.find_current_conversation(incoming.address)
        or len(old.words) > LONGEST
    ):
        return None
    answers = _answers(tx, old)
    if old.words == incoming.text and answers and old.turn != incoming.id:
        return None  # the same words: a preview was added, or Telegram repeats itself
    shown = answers[-1] if answers else None
    over = tx.outbox.message_ids(incoming.address, shown.turn if shown else old.turn)
    parts = (Text(incoming.text), *old.message.parts[1:])
    place = _saved(tx, incoming, old.conversation, parts, old.parent or 0, old.place)
    if over:
        tx.outbox.claim_messages(incoming.id, incoming.address, over)
    return BranchPoint(place.question, over, shown)


def is_first(tx: Tx, incoming: Incoming) -> bool:
    """Whether the message becomes a question only now (a photo got a caption, a mention was forgotten at first), and
    nothing was asked here after it.
    """
    if not incoming.of or _edited(tx, incoming) is not None:
        return False
    conversation = tx.messages.find_current_conversation(incoming.address)
    said = tx.messages.list_newest(conversation, 2) if conversation is not None else ()
    if any(row.message.role == "user" and len(row.text) > LONGEST for row in said):
        return False  # it may have been a piece of that
    return not said or int(said[-1].turn.partition(".")[0]) < int(incoming.of)


def again(tx: Tx, incoming: Incoming, question: int) -> BranchPoint | None:
    """Answer a question once more, over the message in which the button was pressed."""
    asked = tx.messages.find_message(question)
    if asked is None:
        return None
    shown = answer_in(tx, incoming.address, incoming.message_id, but=incoming.id)
    tip = tx.messages.find_head(asked.conversation)
    return BranchPoint(asked, _over(tx, incoming), shown, tip=tip if shown is None and tip != asked.id else None)


def resume(tx: Tx, incoming: Incoming, answer: int) -> BranchPoint | None:
    """Go on with an answer that had not come to its end."""
    broken = tx.messages.find_message(answer)
    asked = tx.messages.find_message(broken.parent) if broken is not None and broken.parent is not None else None
    if broken is None or asked is None or broken.ending not in UNFINISHED:
        return None
    return BranchPoint(asked, _over(tx, incoming), broken, broken)


def history(tx: Tx, place: BranchPoint, most: int) -> Sequence[Remembered]:
    """What the model reads: the branch up to the question, or up to the answer that goes on."""
    return tx.messages.list_branch(place.resumed.id if place.resumed else place.question.id, most)


def keyboard(
    tx: Tx,
    where: Address,
    delivery: str,
    user: int,
    language: str,
    answer: Remembered,
    *,
    thumbs: bool = False,
    alone: bool = False,
) -> tuple[tuple[Button, ...], ...]:
    """What can be done with an answer: see its other versions, ask for another, let it go on, judge it (`thumbs`).

    `alone`: it is known to be the first answer to a question, so nothing is looked up.
    """
    question = tx.messages.find_message(answer.parent) if answer.parent is not None and not alone else None
    if not alone and (question is None or question.message.role != "user"):
        return ()  # it only reports what was done after a tap: that is not done once more
    versions = [answer.id] if alone else list(tx.messages.list_versions(answer))
    number = versions.index(answer.id)

    def button(label: str, action: str, **what: int) -> Button:
        return tx.buttons.add_queued_button(where, delivery, user, label, action, **what)

    row = []
    if len(versions) > 1:
        before, after = versions[number - 1], versions[(number + 1) % len(versions)]
        row += [button("‹", TURN, answer=before), button(f"{number + 1}/{len(versions)}", TURN, answer=answer.id)]
        row += [button("›", TURN, answer=after)]
    label = say(language, "retry") if answer.ending == CUT else "↻"
    row.append(button(label, RETRY, question=answer.parent or 0))
    if thumbs:
        row += [
            tx.buttons.add_button(where, delivery, 0, sign, "feedback", turn=answer.turn, sign=sign) for sign in THUMBS
        ]
    more = (button(say(language, "resume"), RESUME, answer=answer.id),)
    return (tuple(row), more) if answer.ending in UNFINISHED else (tuple(row),)


def turn_to(tx: Tx, incoming: Incoming, answer: int, language: str, *, thumbs: bool = False) -> Outgoing | None:
    """Show another version of an answer, in the messages of the one that stands there, and go on from it."""
    version = tx.messages.find_message(answer)
    if version is None or not _over(tx, incoming):
        return None
    tx.messages.show_branch(version)
    words = other_words(tx, version)
    question = say(language, "version.of", question=words) if words else ""
    rows = keyboard(tx, incoming.address, incoming.id, incoming.user.id, language, version, thumbs=thumbs)
    return replace(as_written(tx, incoming.address, version, language, question), buttons=rows)


def as_written(tx: Tx, where: Address, answer: Remembered, language: str, note: str = "") -> Outgoing:
    """An answer as it stood when it was written, and `note` below it. The outbox knows it.

    Else its text, with the links that it rests on; pages of documents are cited in the text itself.
    """
    said = tx.outbox.find_as_sent(where, answer.turn, answer.text)
    if said is None:
        text = citations.under(answer.text, [source for source in answer.sources if source.url], language)
        said = Outgoing(text, note=mark(language, answer.ending))
    noted = "; ".join(filter(None, (said.note, note)))
    return Outgoing(said.text, note=noted, thought=said.thought, of=answer.turn)


def mark(language: str, ending: str) -> str:
    """What is said below an answer that had not come to its end."""
    match ending:
        case "stopped":
            return say(language, "stop.note")
        case "length":
            return say(language, "length.note")
        case "cut":
            return say(language, "cut.note")
        case _:
            return ""


def other_words(tx: Tx, answer: Remembered) -> str:
    """The beginning of the question of a version that the chat does not show any more; "" where it does."""
    question = tx.messages.find_message(answer.parent) if answer.parent is not None else None
    newest = tx.messages.find_message(tx.messages.list_versions(answer)[-1])
    asked_last = tx.messages.find_message(newest.parent) if newest is not None and newest.parent is not None else None
    if question is None or asked_last is None or question.words == asked_last.words:
        return ""
    words = " ".join(question.words.split())
    return words if len(words) <= FEW_WORDS else words[: FEW_WORDS - 1] + "…"


def _saved(
    tx: Tx, incoming: Incoming, conversation: int, parts: tuple[Part, ...], parent: int | None, place: int = 0
) -> BranchPoint:
    question = tx.messages.add_message(
        conversation, incoming.address, incoming.id, "user", parts,
        parent=parent, user=incoming.user.id, place=place or incoming.message_id,
    )  # fmt: skip
    return BranchPoint(question)


def _edited(tx: Tx, incoming: Incoming) -> Remembered | None:
    """The newest version of the question that an edit changes."""
    if not incoming.of:
        return None
    return tx.messages.find_question_at(incoming.address, incoming.message_id) or tx.messages.find_of_turn(
        incoming.address, incoming.of, "user"
    )


def _answers(tx: Tx, question: Remembered) -> list[Remembered]:
    """The answers that stand where the one to this question does, oldest first."""
    rows = [tx.messages.find_message(id_) for id_ in tx.messages.list_answers(question)]
    return [row for row in rows if row is not None]


def _over(tx: Tx, incoming: Incoming) -> tuple[int, ...]:
    """The messages of the answer below which the button was pressed; the next one is written over them."""
    shown = tx.outbox.find_shown(incoming.address, incoming.message_id)
    over = shown.ids if shown is not None else ()
    if over:
        tx.outbox.claim_messages(incoming.id, incoming.address, over)
    return over
