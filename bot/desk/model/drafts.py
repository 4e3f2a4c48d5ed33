"""The model beside the operator: drafts of answers, and a summary of what was said before a hand-over.

Both are jobs, so a card never waits for a model. A draft is written by the model that answers the customer, from the
sources that this customer may read; operators' notes are not in its prompt. Operators decide on it; about topics for
which an administrator has agreed it goes to the customer without them (`assistance/outcomes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bot.conversation.assistant import Assistant
from bot.conversation.helper_model import HelperModel, PaidBy
from bot.desk.assistance import offers, outcomes
from bot.desk.assistance.orders import DRAFT, order_draft, wants_draft
from bot.desk.assistance.purse import Purse
from bot.desk.cards import CALLED
from bot.desk.desk import SUMMARY, Places
from bot.desk.formatting import Piece, harmless
from bot.desk.mirror import Mirror
from bot.desk.model.quotes import Quoted, checked
from bot.errors import LimitReached, ModelError
from bot.handlers import ButtonHandler, Handlers
from bot.outbox import Choice, finish_turn
from bot.ports import Reply
from bot.prompts.catalog import instruct
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.messages import Remembered
from bot.storage.repositories.money.budgets import DAY
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import CUSTOMER, DROPPED, OFFERED, OPERATOR, SENT, Case, Draft
from bot.storage.tables.knowledge import TopicChoice
from bot.texts.catalog import known, say
from bot.types import Address, Incoming, Job, Permission, User

LOOK_BACK = 20  # newest messages, in which the customer's last question is looked for
FEWEST = 4  # messages that are worth a summary
LONGEST = 600  # characters of a summary
TOKENS = 300  # of a summary
MOST_TRIES = 3
UNSURE = ("guess", "held", "other")  # ways in which a topic was chosen that say nothing of this question
NO_MODEL = ("desk.draft.limit", "desk.draft.failed")  # why there is none, where nobody has asked for one


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a draft is written from: the case, the newest messages, the oldest first, and the place of the customer's
    last question among them (-1: none). `seen` is when the customer has last written, `label` the topic that holds.
    """

    case: Case
    newest: Sequence[Remembered]
    place: int
    seen: float
    label: str

    @property
    def is_answered(self) -> bool:
        """Whether something was said after the question."""
        return self.place < len(self.newest) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """Writes drafts and summaries, which the `purse` pays. `send` delivers to places in the background; `wake_jobs` is
    called after a job was added.
    """

    store: Store
    mirror: Mirror
    assistant: Assistant
    helper: HelperModel
    purse: Purse
    send: Callable[[str, Places], None]
    wake_jobs: Callable[[], None]

    def feature(self) -> Handlers:
        """The buttons of the card, of drafts and of topics, and the jobs."""
        return Handlers(
            presses={
                "desk.draft": ButtonHandler(self.press_draft, Permission.SERVE, has_toast=True),
                "desk.auto": ButtonHandler(self.press_agree, Permission.CONNECT, has_toast=True),
            },
            jobs={DRAFT: self.write_draft, SUMMARY: self.write_summary},
        )

    async def press_draft(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Have a draft written, or another one in place of the draft above the button."""
        desk = self.mirror.desk

        def work(tx: Tx) -> str:
            case = tx.one(Case, bot=desk.bot, id=int(action.payload["case"]))
            language = desk.language(tx, incoming.address.chat)
            finish_turn(tx, incoming)
            if case is None or not case.is_for_people:
                return say(language, "desk.is_closed" if case is None or case.closed else "desk.is_bots")
            if desk.draft_mode(case) == "off":
                return say(language, "desk.draft.off")
            before = tx.one(Draft, bot=desk.bot, id=int(action.payload.get("draft", 0)))
            if before is not None and before.state == OFFERED:
                tx.change(before, state=DROPPED)
            order_draft(tx, case, incoming.id)
            return say(language, "desk.draft.ordered")

        await reply.acknowledge(await self.store.write(work))
        self.wake_jobs()

    async def press_agree(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Let drafts about a topic be sent without a person."""
        desk, label = self.mirror.desk, str(action.payload["topic"])

        def work(tx: Tx) -> str:
            language = desk.language(tx, incoming.address.chat)
            is_agreed, told = outcomes.agreed(desk, tx, label, language)
            tx.buttons.expire_button(action.key)
            finish_turn(tx, incoming, told, over=True)
            return say(language, "desk.done" if is_agreed else "desk.changed")

        await reply.acknowledge(await self.store.write(work))
        await reply.finish()

    # --- drafts -------------------------------------------------------------------------------------------------------

    async def write_draft(self, job: Job) -> None:
        """The job: write a draft into the topic, or say why there is none."""
        known, wanted = await self.store.read(lambda tx: self._known(tx, job)), bool(job.payload.get("wanted"))
        if known is None or (wanted and (known.is_answered or not wants_draft(self.mirror.desk, known.case))):
            await self.store.write(lambda tx: tx.jobs.delete_done(job))
            return
        if known.place < 0:
            await self._tell(job, known.case, "desk.draft.nothing")
            return
        asked, case = known.newest[known.place], known.case
        customer = User(case.user, case.name, case.language)
        incoming = Incoming(f"{DRAFT} {job.key}", case.address, customer, text=asked.words)
        purse = self.mirror.desk.purse(case)
        payer = PaidBy(replace(incoming, user=User(purse, language=case.language)), incoming.id, self.purse)
        try:
            text, citing, model = await self.assistant.draft(
                incoming, asked, payer, later=known.newest[known.place + 1 :], hint=str(job.payload["hint"])
            )
        except LimitReached:
            await self._tell(job, case, "desk.draft.limit")
            return
        except ModelError:
            if job.attempts + 1 < MOST_TRIES:
                raise
            await self._tell(job, case, "desk.draft.failed")
            return
        label = known.label or await self._label(payer.incoming)
        quotes = checked(text, citing)
        if not text:
            await self._tell(job, case, "desk.draft.unanswered")
            return
        key = f"{job.key}.{int(known.seen)}.draft" if wanted else f"{job.key}.draft"
        draft = Draft(
            bot=self.mirror.desk.bot,
            case_id=case.id,
            key=key,
            question=asked.id,
            seen=known.seen,
            text=text,
            quotes=quotes.stored(),
            label=label,
            model=model,
        )
        is_cited, version = citing is not None and bool(citing.quotes), case.version

        def keep(tx: Tx) -> Places:
            return self._keep(tx, job, draft, quotes, is_cited=is_cited, version=version)

        self.send("", await self.store.write(keep))

    def _keep(self, tx: Tx, job: Job, draft: Draft, quotes: Quoted, *, is_cited: bool, version: int) -> Places:
        """Store a draft and offer it, or send it. One that nobody has asked for is written anew if the customer has
        gone on meanwhile, and thrown away if an operator has answered. It is sent only while the case has the `version`
        for which it was written: who has taken it since decides.
        """
        desk = self.mirror.desk
        case, wanted = tx.one(Case, bot=desk.bot, id=draft.case_id), bool(job.payload.get("wanted"))
        if case is not None and wanted and tx.relays.last_written(case.id, CUSTOMER) > draft.seen:
            tx.jobs.reschedule(job, tx.clock.time())
            return ()
        tx.jobs.delete_done(job)
        if case is None or not case.is_for_people:
            return ()
        is_answered = tx.relays.last_written(case.id, OPERATOR) > draft.seen
        if wanted and (is_answered or not wants_draft(desk, case)):
            return ()
        draft = tx.drafts.add_draft(draft)
        judged = outcomes.judged(desk, tx, case, draft.label)
        is_same = case.version == version and not is_answered
        if quotes.is_sure and is_same and outcomes.is_sent_alone(desk, tx, case, draft):
            tx.change(draft, state=SENT, sent=draft.text, automatic=True)
            said = self.mirror.answer_alone(tx, case, draft)
            return [*judged, *said, *self._show(tx, case, draft, quotes, "desk.draft.alone", is_open=False)]
        return [*judged, *self._show(tx, case, draft, quotes, "desk.draft.cited" if is_cited else "desk.draft.own")]

    def _show(self, tx: Tx, case: Case, draft: Draft, quotes: Quoted, head: str, *, is_open: bool = True) -> Places:
        """Show operators a draft, with what was found and what was not; while it `is_open` with its buttons."""
        desk = self.mirror.desk
        seat = desk.seat(tx, case)
        if seat is None:
            return ()
        language = desk.language(tx, seat.place)
        below = [
            (say(language, "desk.draft.quotes"), quoted(language, quotes.found)),
            (say(language, "desk.draft.lost"), quoted(language, quotes.lost)),
            (say(language, "desk.draft.left_out"), "\n".join(quotes.left_out)),
        ]
        pieces = [Piece(f"\n{title}\n{words}") for title, words in below if words]
        payload = {"case": case.id, "draft": draft.id}
        choices = [
            Choice(say(language, "desk.send.draft"), "desk.send", payload),
            Choice(say(language, "desk.draft.another"), "desk.draft", payload),
        ]
        marked = [around for _, around in quotes.lost]
        return offers.show(
            desk, tx, seat, draft.key, head, draft.text, below=pieces, marked=marked, choices=choices if is_open else ()
        )

    async def _label(self, incoming: Incoming) -> str:
        """The topic of a question that the bot was not asked, "" if it is a guess, or without a routing file."""
        topics = self.assistant.turn_start.topics
        chosen = await topics.choose(incoming, last=True) if topics is not None else None
        return chosen.choice.topic if chosen is not None and chosen.choice.reason not in UNSURE else ""

    def _known(self, tx: Tx, job: Job) -> Known | None:
        """What a draft of a case is written from; None if the case is not for people any more."""
        case, newest = self._newest(tx, job)
        if case is None or not case.is_for_people:
            return None
        asks = (one.message.role == "user" and one.words != CALLED for one in newest)
        place = max((place for place, is_question in enumerate(asks) if is_question), default=-1)
        topic = tx.one(TopicChoice, question_id=newest[place].id) if place >= 0 else None
        label = topic.topic if topic is not None and topic.way not in UNSURE else ""
        seen = tx.relays.last_written(case.id, CUSTOMER)
        return Known(case=case, newest=newest, place=place, seen=seen, label=label)

    async def _tell(self, job: Job, case: Case, key: str) -> None:
        """Say in the topic why there is no draft: always to who has asked for it, else once a day that the model does
        not write any.
        """
        desk = self.mirror.desk

        def work(tx: Tx) -> Places:
            tx.jobs.delete_done(job)
            if job.payload.get("wanted"):
                day = f"{key}.{int(tx.clock.time() // DAY)}"
                if key not in NO_MODEL or not tx.cases.note_once(case, "no_draft", day):
                    return ()
                return desk.tell_topic(tx, case, f"case.{case.id}.{day}", key)
            return desk.tell_topic(tx, case, f"{job.key}.draft", key)

        self.send("", await self.store.write(work))

    # --- summaries ----------------------------------------------------------------------------------------------------

    async def write_summary(self, job: Job) -> None:
        """The job: put a summary of the conversation on the card."""
        case, newest = await self.store.read(lambda tx: self._newest(tx, job))
        said = "\n".join(f"{one.message.role}: {one.text}" for one in newest)
        if len(newest) < FEWEST:  # one reads that faster than a summary of it
            said = ""

        def keep(tx: Tx, text: str) -> None:
            tx.jobs.delete_done(job)
            now = tx.one(Case, bot=self.mirror.desk.bot, id=int(job.payload["case"]))
            if now is None or not text:
                return
            after = replace(now, summary=harmless(" ".join(text.split()))[0][:LONGEST])
            tx.cases.store_case(now, after)
            places.extend(self.mirror.desk.show_card(tx, after, cause="summary"))

        places = list[Address]()
        language = case.language if case is not None else ""
        prompt = instruct(language, "desk.summary")
        if not said or not await self.helper.ask(job, prompt, said, TOKENS, keep):
            await self.store.write(lambda tx: tx.jobs.delete_done(job))
        self.send("", places)

    def _newest(self, tx: Tx, job: Job) -> tuple[Case | None, Sequence[Remembered]]:
        """The case, and the newest messages of its conversation, the oldest first."""
        case = tx.one(Case, bot=self.mirror.desk.bot, id=int(job.payload["case"]))
        conversation = tx.messages.find_current_conversation(case.address) if case is not None else None
        return case, tx.messages.list_newest(conversation, LOOK_BACK) if conversation is not None else ()


def quoted(language: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Quotes with what is said of each, a line for each, in the marks of the language."""
    left, right = "“”" if known(language) == "en" else "«»"
    return "\n".join(f"{left}{words}{right} — {about}" for words, about in pairs)
