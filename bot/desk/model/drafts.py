"""The model beside the operator: drafts of answers on request, and a summary of what was said before a hand-over.

Both are jobs, so a card never waits for a model. A draft is written by the model that answers the customer, from the
sources that this customer may read, and its quotes are checked like those of every answer; operators' notes are not in
its prompt. It is shown to operators only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.conversation.assistant import Assistant
from bot.conversation.helper_model import HelperModel
from bot.desk.cards import CALLED
from bot.desk.desk import SUMMARY, Desk, Places
from bot.desk.formatting import harmless
from bot.errors import LimitReached, ModelError
from bot.feature import ButtonHandler, Feature
from bot.knowledge.answering import Citing
from bot.outbox import finish_turn
from bot.ports import Reply
from bot.prompts.catalog import instruct
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.desk.cases import Case
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Permission, User

DRAFT = "desk.draft"  # the job
LOOK_BACK = 20  # newest messages, in which the customer's last question is looked for
FEWEST = 4  # messages that are worth a summary
LONGEST = 600  # characters of a summary
TOKENS = 300  # of a summary
MOST_TRIES = 3


def order_draft(tx: Tx, case: Case, operator: int, turn: str, hint: str = "") -> None:
    """Have a draft written for an operator; `hint` says how to word it."""
    payload = {"case": case.id, "operator": operator, "hint": hint[:1000]}
    tx.jobs.add_job(Job(DRAFT, turn, case.address, payload, due=tx.clock.time()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """Writes drafts and summaries. `send` delivers to places in the background; `wake_jobs` is called after a job was
    added.
    """

    store: Store
    desk: Desk
    assistant: Assistant
    helper: HelperModel
    send: Callable[[str, Places], None]
    wake_jobs: Callable[[], None]

    def feature(self) -> Feature:
        """The button of the card, and the jobs."""
        button = ButtonHandler(self.press_draft, Permission.SERVE, has_toast=True)
        return Feature(presses={"desk.draft": button}, jobs={DRAFT: self.write_draft, SUMMARY: self.write_summary})

    async def press_draft(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Have a draft written."""

        def work(tx: Tx) -> str:
            case = tx.cases.find_case(self.desk.bot, int(action.payload["case"]))
            language = self.desk.language(tx, incoming.address.chat)
            finish_turn(tx, incoming)
            if case is None or not case.is_for_people:
                return say(language, "desk.is_closed" if case is None or case.closed else "desk.is_bots")
            order_draft(tx, case, incoming.user.id, incoming.id)
            return say(language, "desk.draft.ordered")

        await reply.acknowledge(await self.store.write(work))
        self.wake_jobs()

    async def write_draft(self, job: Job) -> None:
        """The job: write a draft into the topic, or say why there is none."""
        case, newest = await self.store.read(lambda tx: self._newest(tx, job))
        asks = (one.message.role == "user" and one.words != CALLED for one in newest)
        place = max((place for place, is_question in enumerate(asks) if is_question), default=-1)
        if case is None or not case.is_for_people:
            await self.store.write(lambda tx: tx.jobs.delete_done(job))
            return
        if place < 0:
            await self._tell(job, case, "desk.draft.nothing")
            return
        asked, later = newest[place], newest[place + 1 :]
        customer = User(case.user, case.name, case.language)
        incoming = Incoming(f"{DRAFT} {job.key}", case.address, customer, text=asked.words)
        payer = replace(incoming, user=User(int(job.payload["operator"]), language=case.language))
        try:
            text, citing = await self.assistant.draft(
                incoming, asked, payer, later=later, hint=str(job.payload["hint"])
            )
        except LimitReached:
            await self._tell(job, case, "desk.draft.limit")
            return
        except ModelError:
            if job.attempts + 1 < MOST_TRIES:
                raise
            await self._tell(job, case, "desk.draft.failed")
            return
        if not text:
            await self._tell(job, case, "desk.draft.unanswered")
            return

        def work(tx: Tx) -> Places:
            tx.jobs.delete_done(job)
            return self.desk.keep_draft(tx, case.address, job.key, text, quotes=_quotes(citing))

        self.send("", await self.store.write(work))

    async def write_summary(self, job: Job) -> None:
        """The job: put a summary of the conversation on the card."""
        case, newest = await self.store.read(lambda tx: self._newest(tx, job))
        said = "\n".join(f"{one.message.role}: {one.text}" for one in newest)
        if len(newest) < FEWEST:  # one reads that faster than a summary of it
            said = ""

        def keep(tx: Tx, text: str) -> None:
            tx.jobs.delete_done(job)
            now = tx.cases.find_case(self.desk.bot, int(job.payload["case"]))
            if now is None or not text:
                return
            after = replace(now, summary=harmless(" ".join(text.split()))[0][:LONGEST])
            tx.cases.store_case(now, after)
            places.extend(self.desk.show_card(tx, after, cause="summary"))

        places = list[Address]()
        language = case.language if case is not None else ""
        prompt = instruct(language, "desk.summary")
        if not said or not await self.helper.ask(job, prompt, said, TOKENS, keep):
            await self.store.write(lambda tx: tx.jobs.delete_done(job))
        self.send("", places)

    async def _tell(self, job: Job, case: Case, key: str) -> None:
        """Say in the topic why there is no draft."""

        def work(tx: Tx) -> Places:
            tx.jobs.delete_done(job)
            return self.desk.tell_topic(tx, case, f"{job.key}.draft", key)

        self.send("", await self.store.write(work))

    def _newest(self, tx: Tx, job: Job) -> tuple[Case | None, Sequence[Remembered]]:
        """The case, and the newest messages of its conversation, the oldest first."""
        case = tx.cases.find_case(self.desk.bot, int(job.payload["case"]))
        conversation = tx.messages.find_current_conversation(case.address) if case is not None else None
        return case, tx.messages.list_newest(conversation, LOOK_BACK) if conversation is not None else ()


def _quotes(citing: Citing | None) -> str:
    """The quotes of a draft with their places, for operators; "" where it does not come from sources."""
    if citing is None:
        return ""
    passages = {one.id: one for one in citing.evidence.passages}
    quoted = ((passages[quote.passage], quote) for quote in citing.quotes if quote.passage in passages)
    return "\n".join(
        f"«{one.text[quote.start : quote.end].strip()}» — {one.title or one.place}" for one, quote in quoted
    )
