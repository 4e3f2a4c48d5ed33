"""Where in the tree of a conversation a question and its answer belong, as the first transaction of a turn decides.

A new question follows the newest message of the shown branch, a reply follows the message it replies to (`follow`). An
edited question (`revise`) and a repeated answer (`regenerate`) become versions in the same place of the chat. An
incomplete answer is continued (`resume`). `keyboard` makes the buttons below an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.knowledge import citations
from bot.prompts.beside import text_beside, without
from bot.storage.repositories.messages import OPEN, Remembered
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Address, Button, Incoming, Outgoing, Part, Text

LONGEST = 4096  # characters of a message: an edit changes only one message of a longer question
RETRY, RESUME, TURN, SOURCE = "retry", "resume", "version", "kb.source"  # what the buttons below an answer do
CUT = "cut"  # how an answer ended that broke off
UNFINISHED = ("stopped", "length", CUT)
THUMBS = ("👍", "👎")
FEW_WORDS = 80  # characters that remind the user of a question


@dataclass(frozen=True, slots=True)
class BranchPoint:
    """A question in its branch, and where the chat shows its answer.

    `over` are the ids of messages that the answer replaces, `shown` is the version which they show now, `resumed` the
    answer that is continued. `tip` is the current head of the conversation, restored after the answer is stored.
    `after` is the parent of the answer if that is not the question itself.
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
    """Save a new question. `parts` are its text and the files that came with it; what came beside the text follows the
    text.
    """
    conversation, tip = tx.messages.current_tip(incoming.address)
    before = _answered(tx, replied(tx, incoming.address, incoming.reply_to))
    if before is not None and before.ending == OPEN:
        tx.messages.set_ending(before.id, "")  # a reply is about it
    is_known = before is not None and before.conversation == conversation
    parent = before.id if before is not None and is_known else tip
    beside = text_beside(incoming.beside, incoming.language, is_known=is_known)
    parts = (*parts[:1], *beside, *parts[1:])
    return _saved(tx, incoming, conversation, parts, parent)


def replied(tx: Tx, where: Address, message_id: int) -> Remembered | None:
    """The question or answer that a message of the chat shows; None if the message is neither."""
    if not message_id:
        return None
    question = tx.messages.find_question_at(where, message_id)
    return question if question is not None else answer_in(tx, where, message_id)


def _answered(tx: Tx, said: Remembered | None) -> Remembered | None:
    """The newest answer if `said` is an answered question, else `said`: a reply follows the answer."""
    if said is None or said.message.role != "user":
        return said
    return next(iter(_answers(tx, said)[::-1]), said)


def answer_in(tx: Tx, where: Address, message_id: int, *, but: str = "") -> Remembered | None:
    """The answer that a message of the chat shows. `but`: the key of a delivery that does not count."""
    shown = tx.outbox.find_shown(where, message_id, but=but)
    return tx.messages.find_of_turn(where, shown.of, "assistant") if shown is not None else None


def revise(tx: Tx, incoming: Incoming) -> BranchPoint | None:
    """Save an edited question as a new version. None: the edit needs no answer."""
    old = _edited(tx, incoming)
    if (
        old is None
        or old.conversation != tx.messages.find_current_conversation(incoming.address)
        or len(old.words) > LONGEST
    ):
        return None
    answers = _answers(tx, old)
    if old.words == incoming.text and answers and old.turn != incoming.id:
        return None  # only a link preview was added, or Telegram repeats the update
    shown = answers[-1] if answers else None
    over = tx.outbox.message_ids(incoming.address, shown.turn if shown else old.turn)
    before = replied(tx, incoming.address, incoming.reply_to)
    is_known = before is not None and before.conversation == old.conversation
    beside = text_beside(incoming.beside, incoming.language, is_known=is_known)
    parts = (Text(incoming.text), *beside, *without(old.message.parts[1:]))
    place = _saved(tx, incoming, old.conversation, parts, old.parent or 0, old.place)
    if over:
        tx.outbox.claim_messages(incoming.id, incoming.address, over)
    return BranchPoint(place.question, over, shown)


def is_first(tx: Tx, incoming: Incoming) -> bool:
    """Whether an edit makes its message a question (a photo got a caption, a mention was added).

    False also if another question was asked here after that message.
    """
    if not incoming.of or _edited(tx, incoming) is not None:
        return False
    conversation = tx.messages.find_current_conversation(incoming.address)
    said = tx.messages.list_newest(conversation, 2) if conversation is not None else ()
    if any(row.message.role == "user" and len(row.text) > LONGEST for row in said):
        return False  # the edited message may be a piece of that question
    return not said or int(said[-1].turn.partition(".")[0]) < int(incoming.of)


def regenerate(tx: Tx, incoming: Incoming, question: int) -> BranchPoint | None:
    """Where another answer to a question belongs: in the message whose button was pressed. None: it was deleted."""
    asked = tx.messages.find_message(question)
    if asked is None:
        return None
    shown = answer_in(tx, incoming.address, incoming.message_id, but=incoming.id)
    tip = tx.messages.find_head(asked.conversation)
    return BranchPoint(asked, _over(tx, incoming), shown, tip=tip if shown is None and tip != asked.id else None)


def resume(tx: Tx, incoming: Incoming, answer: int) -> BranchPoint | None:
    """Where the rest of an incomplete answer belongs. None: the answer was deleted or is complete."""
    broken = tx.messages.find_message(answer)
    asked = tx.messages.find_message(broken.parent) if broken is not None and broken.parent is not None else None
    if broken is None or asked is None or broken.ending not in UNFINISHED:
        return None
    return BranchPoint(asked, _over(tx, incoming), broken, broken)


def history(tx: Tx, place: BranchPoint, most: int) -> Sequence[Remembered]:
    """The newest `most` messages of the branch, up to the question or to the answer that is continued."""
    branch = tx.messages.list_branch(place.resumed.id if place.resumed else place.question.id, most)
    return without_open(branch, but=place.question.id)


def leave_open(tx: Tx, question: Remembered) -> None:
    """Keep a question that was not answered out of later prompts, until a button below it gets the answer."""
    if tx.messages.find_head(question.conversation) == question.id:  # else it has an answer, or is open already
        tx.messages.set_ending(question.id, OPEN)


def add_words(tx: Tx, where: Address, turn: str, words: str, *, user: int, first: str, place: int = 0) -> None:
    """Save what a person has said to a user in place of the bot, as the answer of a turn; `place` is the id of the
    message if it stands in this chat. A conversation that begins with it gets the message `first` of the user before
    it: prompts begin with one.
    """
    conversation, tip = tx.messages.current_tip(where)
    if not tip:
        asked = tx.messages.add_message(conversation, where, turn, "user", (Text(first),), parent=0, user=user)
        tip = asked.id
    said = (Text(words),)
    tx.messages.add_message(
        conversation, where, turn, "assistant", said, parent=tip, ending="stop", user=user, place=place
    )  # fmt: skip


def withdraw_answers(tx: Tx, where: Address) -> None:
    """Give up the model's answers that wait for an address and are not being sent. The newest is in no later prompt,
    since nobody has seen it.
    """
    said = _newest_answer(tx, where)
    waits = said is not None and tx.outbox.is_unsent(where, said.turn)
    tx.outbox.withdraw_answers(where)
    if said is not None and waits and not tx.outbox.is_unsent(where, said.turn):
        take_back(tx, where, said.turn)


def take_back(tx: Tx, where: Address, turn: str) -> None:
    """Leave the newest answer out of later prompts, if it is that of a `turn`: nobody has seen it."""
    said = _newest_answer(tx, where)
    if said is not None and said.turn == turn:
        tx.messages.move_head(said.conversation, said.parent or None)


def _newest_answer(tx: Tx, where: Address) -> Remembered | None:
    """The head of the current conversation, if it is an answer."""
    conversation = tx.messages.find_current_conversation(where)
    tip = tx.messages.find_head(conversation) if conversation is not None else None
    said = tx.messages.find_message(tip) if tip else None
    return said if said is not None and said.message.role == "assistant" else None


def without_open(branch: Sequence[Remembered], *, but: int = 0) -> Sequence[Remembered]:
    """The messages without the questions that were not answered and wait for a button, except the question `but`.

    The model would answer such a question together with the next one, and again when the button is pressed.
    """
    return [row for row in branch if row.ending != OPEN or row.id == but]


def keyboard(
    tx: Tx, where: Address, delivery: str, user: int, language: str, answer: Remembered,
    *, thumbs: bool = False, alone: bool = False,
) -> tuple[tuple[Button, ...], ...]:  # fmt: skip
    """The buttons below an answer: other versions, another answer, the rest of it, its sources, 👍 and 👎.

    `delivery` is the key of the answer's delivery. `alone`: this is the first answer, so no versions are looked up.
    """
    question = tx.messages.find_message(answer.parent) if answer.parent is not None and not alone else None
    if not alone and (question is None or question.message.role != "user"):
        return ()  # it reports an approved tool call, which is not repeated
    versions = [answer.id] if alone else list(tx.messages.list_versions(answer))
    number = versions.index(answer.id)

    def button(label: str, action: str, **what: int) -> Button:
        return tx.buttons.add_queued_button(where, delivery, user, label, action, **what)

    row = []
    if len(versions) > 1:
        before, after = versions[number - 1], versions[(number + 1) % len(versions)]
        row += [button("‹", TURN, answer=before), button(f"{number + 1}/{len(versions)}", TURN, answer=answer.id)]
        row += [button("›", TURN, answer=after)]
    if answer.ending == CUT:
        row.append(button(say(language, "retry"), RETRY, question=answer.parent or 0))
    else:
        again = {"question": answer.parent or 0}
        row.append(tx.buttons.add_newest_button(where, delivery, user, "↻", RETRY, **again))
    if thumbs:
        row += [
            tx.buttons.add_button(where, delivery, 0, sign, "feedback", turn=answer.turn, sign=sign) for sign in THUMBS
        ]
    rows = [tuple(row)]
    if answer.ending in UNFINISHED:
        rows.append((button(say(language, "resume"), RESUME, answer=answer.id),))
    return (*rows, *source_rows(tx, where, delivery, language, answer))


def source_rows(
    tx: Tx, where: Address, delivery: str, language: str, answer: Remembered
) -> tuple[tuple[Button, ...], ...]:  # fmt: skip
    """The button that shows the sources of an answer, in a row of its own; none below an answer without quotes."""
    of_documents = "¹" in answer.text and any(not source.url for source in answer.sources)
    if not (of_documents or (answer.sources and tx.knowledge.has_quotes(answer.id))):
        return ()
    return ((tx.buttons.add_button(where, delivery, 0, say(language, "kb.source"), SOURCE, answer=answer.id),),)


def show_version(tx: Tx, incoming: Incoming, answer: int, language: str, *, thumbs: bool = False) -> Outgoing | None:
    """Show another version of an answer in the same messages; the conversation continues from it. None: there is no
    such version.
    """
    version = tx.messages.find_message(answer)
    if version is None or not _over(tx, incoming):
        return None
    tx.messages.show_branch(version)
    words = earlier_question(tx, version)
    question = say(language, "version.of", question=words) if words else ""
    rows = keyboard(tx, incoming.address, incoming.id, incoming.user.id, language, version, thumbs=thumbs)
    return replace(as_sent(tx, incoming.address, version, language, question), buttons=rows)


def as_sent(tx: Tx, where: Address, answer: Remembered, language: str, note: str = "") -> Outgoing:
    """A stored answer as it was sent, with `note` below it.

    If the outbox no longer has it, the text of the message with its links; documents are cited in the text itself.
    """
    said = tx.outbox.find_as_sent(where, answer.turn, answer.text)
    if said is None:
        text = citations.under(answer.text, [source for source in answer.sources if source.url], language)
        said = Outgoing(text, note=ending_note(language, answer.ending))
    noted = "; ".join(filter(None, (said.note, note)))
    return Outgoing(said.text, note=noted, thought=said.thought, of=answer.turn)


def ending_note(language: str, ending: str) -> str:
    """Return the note below an answer that ended so: "cut", "length" or the like; "" below a whole answer."""
    match ending:
        case "stopped":
            return say(language, "stop.note")
        case "length":
            return say(language, "length.note")
        case "cut":
            return say(language, "cut.note")
        case _:
            return ""


def earlier_question(tx: Tx, answer: Remembered) -> str:
    """The beginning of the version of the question that was answered; "" if the chat still shows that version."""
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
    """The newest version of the question that an edit changes; None if there is none."""
    if not incoming.of:
        return None
    return tx.messages.find_question_at(incoming.address, incoming.message_id) or tx.messages.find_of_turn(
        incoming.address, incoming.of, "user"
    )


def _answers(tx: Tx, question: Remembered) -> list[Remembered]:
    """The answers to all versions of a question, oldest first."""
    rows = [tx.messages.find_message(id_) for id_ in tx.messages.list_answers(question)]
    return [row for row in rows if row is not None]


def _over(tx: Tx, incoming: Incoming) -> tuple[int, ...]:
    """Claim the messages of the answer below which a button was pressed. Returns their ids."""
    shown = tx.outbox.find_shown(incoming.address, incoming.message_id)
    over = shown.ids if shown is not None else ()
    if over:
        tx.outbox.claim_messages(incoming.id, incoming.address, over)
    return over
