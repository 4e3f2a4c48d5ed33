"""The last transaction of a turn: it saves the answer, puts it into the outbox and marks the updates as done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.ai import Finish
from bot.conversation import branching
from bot.conversation.branching import BranchPoint
from bot.conversation.turn_state import AnswerDraft, TurnContext
from bot.errors import ContextOverflow, ModelRefused
from bot.knowledge import citations, documents
from bot.knowledge.learning import gaps
from bot.outbox import finish_turn
from bot.storage.repositories.mapping import dump_request
from bot.storage.repositories.messages import OPEN, Remembered
from bot.storage.store import Tx
from bot.storage.tables.knowledge import REFUSED, Gap
from bot.texts.catalog import say
from bot.tools import approvals
from bot.types import Button, Incoming, Job, Message, Outgoing, Text

ALONE = "kb.alone"  # the button that shows the asker alone what a group may not read, and the job that does it unasked
LATE = 3600.0  # seconds after which an answer apologises for the delay
Rows = tuple[tuple[Button, ...], ...]


def save(tx: Tx, incoming: Incoming, context: TurnContext, written: AnswerDraft) -> None:
    """Save the answer and end the turn. The caller has booked the usage, and delivers after the commit."""
    place = context.place
    assert place is not None  # noqa: S101  only a question is answered
    if context.pressed:
        tx.buttons.expire_button(context.pressed)
    if written.outdated and not written.text.strip() and not tx.outbox.claimed_message(incoming.id, incoming.address):
        finish_turn(tx, incoming)  # nothing of the answer was shown
        return
    if written.citing is not None and (text := written.citing.without_withdrawn(tx, incoming.address.bot)) is not None:
        written.text = text
    if written.visible_text():
        outgoing = _answer(tx, incoming, context, place, written)
    elif place.shown is not None:
        outgoing = _previous_version(tx, incoming, context, place.shown, written)
    else:
        outgoing = _apology(tx, incoming, context, place, written)
    outgoing = replace(outgoing, reply_to=incoming.quotes or (0 if incoming.private else incoming.message_id))
    finish_turn(tx, incoming, *_with_tool_messages(tx, incoming, context, written, outgoing))


def withhold(tx: Tx, incoming: Incoming, context: TurnContext, written: AnswerDraft, shown: str) -> None:
    """End the turn without its answer, because a person answers there now.

    A message that shows a part of the answer already (`shown`) keeps that part, with a note; an older answer that was
    to be replaced stays.
    """
    place, note = context.place, say(context.language, "desk.goes_on")
    assert place is not None  # noqa: S101  only a question is answered
    if context.pressed:
        tx.buttons.expire_button(context.pressed)
    if place.shown is not None:
        finish_turn(tx, incoming, _previous_version(tx, incoming, context, place.shown, written))
    elif shown:
        quoted = incoming.quotes or (0 if incoming.private else incoming.message_id)
        finish_turn(tx, incoming, Outgoing(shown, note=note, reply_to=quoted))
    elif tx.outbox.claimed_message(incoming.id, incoming.address) is not None:
        finish_turn(tx, incoming, note)  # a message was being sent when the process died: nobody knows what it shows
    else:
        finish_turn(tx, incoming)


def _answer(tx: Tx, incoming: Incoming, context: TurnContext, place: BranchPoint, written: AnswerDraft) -> Outgoing:
    thoughts = (_thought_before(tx, incoming, context, place), written.thought)
    answer = _remember(tx, incoming, context, place, written)
    _note_gap(tx, incoming, context, place, written)
    failed = context.decided_call and _failed(written)
    rows = _retry(tx, incoming, context, place) if failed else _keyboard(tx, incoming, context, answer)
    if written.is_unanswered and incoming.user.id > 0:
        where, user, label = incoming.address, incoming.user.id, say(context.language, "gap.tell")
        wish = tx.buttons.add_button(where, incoming.id, user, label, "gap.tell", question=place.question.id)
        rows = (*rows, (wish, *_person(tx, incoming, context, "no_quote")))
    elif context.offer:
        rows = (*rows, _person(tx, incoming, context, "asked", context.offer))
    if written.citing is not None and (asked := written.citing.evidence.for_asker):
        rows = (*rows, (_alone(tx, incoming, asked, context.language),))
    if context.gone:  # the note below this answer says so, once
        tx.chats.drop_models(incoming.address, incoming.user.id, context.gone)
    text, below, used = context.prefix + written.visible_text(), "", documents.used(written.text, written.retrieved)
    if written.noted is not None:
        text, below, used = written.noted.text, written.noted.below, ()
    elif written.citing is not None:
        below = written.citing.below
    if written.citing is None:
        text = citations.under(text, (*written.steps.sources, *used), context.language)
    text = f"{text.rstrip()}\n\n{below}" if below else text
    if written.citing is not None:
        text = citations.beside(text, written.steps.sources, context.language)
    note = _note(tx, incoming, context, written)
    return Outgoing(text, of=answer.turn, buttons=rows, note=note, thought="\n\n".join(filter(None, thoughts)))


def _alone(tx: Tx, incoming: Incoming, question: str, language: str) -> Button:
    """The button that shows the asker alone the answer to a question, which the bot tries to show without a press."""
    where, user, label = incoming.address, incoming.user.id, say(language, "kb.alone.show")
    button = tx.buttons.add_queued_button(
        where, incoming.id, user, label, ALONE, question=question, turn=incoming.id
    )  # fmt: skip
    payload = {"user": user, "button": button.data, "language": incoming.user.language}
    tx.jobs.add_job(Job(ALONE, incoming.id, where, payload, due=tx.clock.time()))
    return button


def _person(
    tx: Tx, incoming: Incoming, context: TurnContext, reason: str, label: str = ""
) -> tuple[Button, ...]:  # fmt: skip
    """The button that calls a person, in a customer's chat of a bot with a support desk. `reason` is told there."""
    if not context.version:
        return ()
    where, label = incoming.address, label or say(context.language, "desk.person")
    return (tx.buttons.add_button(where, incoming.id, incoming.user.id, label, "desk.call", reason=reason),)


def _note_gap(tx: Tx, incoming: Incoming, context: TurnContext, place: BranchPoint, written: AnswerDraft) -> None:
    """Store that the sources of the knowledge base do not answer the question, or that they do now."""
    if written.citing is None:
        return
    if written.is_unanswered:
        topic = context.topic.choice.topic if context.topic is not None else ""
        gaps.note_refused(tx, incoming, place.question, written.citing.evidence, topic)
    elif not written.citing.is_empty:
        tx.remove(Gap, message_id=place.question.id, reason=REFUSED)


def _thought_before(tx: Tx, incoming: Incoming, context: TurnContext, place: BranchPoint) -> str:
    """The reasoning of the answer that is continued; "" for a new answer."""
    if place.resumed is None:
        return ""
    return branching.as_sent(tx, incoming.address, place.resumed, context.language).thought


def _previous_version(
    tx: Tx, incoming: Incoming, context: TurnContext, shown: Remembered, written: AnswerDraft
) -> Outgoing:
    """The previous version of the answer, with a note why there is no new version."""
    sorry = written.apology(context.language)
    stood = branching.as_sent(tx, incoming.address, shown, context.language, sorry)
    return replace(stood, buttons=_keyboard(tx, incoming, context, shown))


def _apology(tx: Tx, incoming: Incoming, context: TurnContext, place: BranchPoint, written: AnswerDraft) -> Outgoing:
    if _refused(written) and tx.messages.find_head(place.question.conversation) == place.question.id:
        # The model would read a refused question with the next one, and refuse that, too.
        tx.messages.move_head(place.question.conversation, place.question.parent)
    rows = _retry(tx, incoming, context, place) if _failed(written) else ()
    if rows and context.decided_call is None:
        branching.leave_open(tx, place.question)
    if person := _person(tx, incoming, context, "failed"):
        rows = (*rows, person)
    return Outgoing(written.apology(context.language), plain=True, buttons=rows)


def _with_tool_messages(
    tx: Tx, incoming: Incoming, context: TurnContext, written: AnswerDraft, outgoing: Outgoing
) -> Sequence[Outgoing]:
    """The answer, and messages about tool calls: one that the user has to approve, one whose outcome is unknown."""
    steps, answers = written.steps, [outgoing]
    if context.decided_call is not None and written.error is None:  # else the button can ask again
        tx.change(context.decided_call, state="done")
    if steps.unsure:
        answers.append(Outgoing(say(context.language, "tool.unknown", tool=steps.unsure), plain=True))
    if written.calls and steps.pending is not None and context.place is not None:
        answers = answers if written.visible_text() else []
        answers.append(approvals.ask(tx, incoming, context.place.question.id, steps, len(answers)))
    return answers


def _remember(
    tx: Tx, incoming: Incoming, context: TurnContext, place: BranchPoint, written: AnswerDraft
) -> Remembered:  # fmt: skip
    text = context.prefix + written.text if written.noted is None else written.noted.text
    said = (*written.steps.parts, Text(text))
    request = dump_request(written.request, context.stored_texts) if written.request is not None else None
    sources, response = (*written.steps.sources, *written.rests_on), written.response or None
    if place.resumed is not None:
        sources = tuple(dict.fromkeys((*place.resumed.sources, *sources)))
        answer = replace(
            place.resumed, message=Message("assistant", said), ending=written.ending(), sources=sources,
            response=response,
        )  # fmt: skip
        tx.messages.extend_answer(answer, said, request)
    else:
        question = place.question
        answer = tx.messages.add_message(
            question.conversation, incoming.address, incoming.id, "assistant", said,
            parent=place.after or question.id, ending=written.ending(), user=incoming.user.id,
            model=written.option.name, request=request, persona=context.persona.label,
            sources=sources, response=response,
        )  # fmt: skip
        if written.citing is not None:
            tx.knowledge.store_quotes(answer.id, written.citing.spans)
    if place.question.ending == OPEN:
        tx.messages.set_ending(place.question.id, "")
    if place.tip is not None:  # the conversation has gone on without this answer
        tx.messages.insert_answer(answer)
        tx.messages.move_head(place.question.conversation, place.tip)
    return answer


def _failed(written: AnswerDraft) -> bool:
    return written.error is not None and not _refused(written)


def _refused(written: AnswerDraft) -> bool:
    """Whether the model refuses this question, so that asking again is useless."""
    return (
        bool(written.refusal)
        or written.finish is Finish.FILTERED
        or isinstance(written.error, ModelRefused | ContextOverflow)
    )


def _keyboard(tx: Tx, incoming: Incoming, context: TurnContext, answer: Remembered) -> Rows:
    where, user = incoming.address, incoming.user.id
    place = context.place
    alone = place is not None and place.question.turn == incoming.id and place.shown is None
    rows = branching.keyboard(
        tx, where, incoming.id, user, context.language, answer, thumbs=context.thumbs, alone=alone
    )  # fmt: skip
    if context.topic is None or not context.corrects or not rows:
        return rows
    return (*rows, (context.topic.correction(tx, incoming, answer.parent or 0, context.language),))


def _retry(tx: Tx, incoming: Incoming, context: TurnContext, place: BranchPoint) -> Rows:
    """The button "try again" below an answer that failed."""
    decided = context.decided_call
    action = "act.yes" if decided else branching.RETRY
    payload = {"turn": decided.turn} if decided else {"question": place.question.id}
    where, user, label = incoming.address, incoming.user.id, say(context.language, "retry")
    return ((tx.buttons.add_queued_button(where, incoming.id, user, label, action, **payload),),)


def _note(tx: Tx, incoming: Incoming, context: TurnContext, written: AnswerDraft) -> str:
    language = context.language
    waited = tx.clock.time() - incoming.at.timestamp() if incoming.at else 0.0
    late = say(language, "late.note") if waited > LATE else ""
    gone = say(language, "gone.note", old=", ".join(context.gone), new=written.option.title) if context.gone else ""
    once = say(language, "once.note", model=written.option.title) if context.answers_once else ""
    said = (written.note(language) or once, written.own_note, gone, written.remark, late, incoming.left_out)
    return "; ".join(filter(None, said))
