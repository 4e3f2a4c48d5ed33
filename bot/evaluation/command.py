"""The command /eval: owners and admins make cases of answers, and see how runs and trials went.

Begin with `EvalCommand.show`; `/eval add` is a reply to an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bot.conversation.branching import replied
from bot.errors import BadInput
from bot.evaluation.cases import ADDED, Case
from bot.evaluation.checks import State
from bot.evaluation.collecting import Sources, collect, count_by_origin, of_answer
from bot.evaluation.report import Pair, last_change
from bot.evaluation.trials import compared_versions, told
from bot.feature import Command, Handlers
from bot.llm.topics.routing_file import RoutingTable
from bot.outbox import finish, finish_turn
from bot.ports import Reply
from bot.prompts.library import Library
from bot.storage.repositories.evaluation.runs import JudgedAnswer
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Permission

SHOWN = 30  # cases of a list
NAMED = 5  # cases that have changed
LONGEST = 100  # characters of a question
WORDS = {
    "add": "add", "добавить": "add", "list": "list", "список": "list", "remove": "remove", "убрать": "remove",
    "refuse": "refuse", "отказ": "refuse", "contains": "contains", "содержит": "contains", "not": "not", "без": "not",
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class EvalCommand:
    """The command /eval, which keeps the cases that people add. `folder` has the files of cases, `table` the topics
    (None: there are none).
    """

    store: Store
    bot: int
    folder: Path
    library: Library
    currency: str
    table: Callable[[], RoutingTable | None] = lambda: None

    def feature(self) -> Handlers:
        """The command /eval, for admins."""
        return Handlers(commands={"/eval": Command(self.run, Permission.CONNECT, is_notice=True)})

    async def run(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """/eval, and `add`, `list` or `remove` with what follows."""
        word, _, more = rest.partition(" ")
        act = {"add": self._add, "list": self._list, "remove": self._remove}.get(
            WORDS.get(word.lower(), ""), self._show
        )

        def work(tx: Tx) -> None:
            try:
                text = act(tx, incoming, more.strip())
            except BadInput as error:
                text = str(error)
            finish_turn(tx, incoming, text)

        await finish(self.store, reply, work)

    def _add(self, tx: Tx, incoming: Incoming, rest: str) -> str:
        language, where = incoming.language, incoming.address
        answer = replied(tx, where, incoming.reply_to)
        question = tx.messages.find_message(answer.parent) if answer is not None and answer.parent else None
        if question is None or answer is None or answer.message.role == "user" or not question.words.strip():
            return say(language, "eval.no_answer")
        persona, person = incoming.chat.persona, incoming.user.id
        row = JudgedAnswer(
            message=answer.id, parent=question.id, value=1, chat=where.chat, alone=where.visible_to, judge=person,
            persona=persona, at=0.0,
        )  # fmt: skip
        case = of_answer(tx, row, question, answer, tx.evaluations.list_quoted({answer.id}))
        case = _wished(replace(case, origin=ADDED, place="", user=0, asked_in=0, stale=""), rest, language)
        is_new = tx.evaluations.add_case(
            self.bot, case.key, case.stored(), chat=where.chat, user=question.user, author=person
        )
        return say(language, "eval.added" if is_new else "eval.known", must=_demands(case, language))

    def _list(self, tx: Tx, incoming: Incoming, _rest: str) -> str:
        rows = tx.evaluations.list_cases(self.bot)
        lines = [f"{row.id} · {_short(Case.restored(row.body).question)}" for row in rows[-SHOWN:]]
        return "\n".join([say(incoming.language, "eval.list" if rows else "eval.list.none"), *lines])

    def _remove(self, tx: Tx, incoming: Incoming, rest: str) -> str:
        is_gone = rest.isdecimal() and tx.evaluations.remove_case(self.bot, int(rest))
        return say(incoming.language, "eval.removed" if is_gone else "eval.unknown", number=rest or "?")

    def _show(self, tx: Tx, incoming: Incoming, _rest: str) -> str:
        language = incoming.language
        cases = collect(tx, self.bot, Sources(folder=self.folder, topics=self.table()))
        counts = ", ".join(f"{say(language, f'eval.origin.{name}')} {n}" for name, n in count_by_origin(cases).items())
        lines = [say(language, "eval.title", count=len(cases)), counts, self._last(tx, language)]
        lines += [
            told(one, language, tx.clock.time(), self.currency) for one in compared_versions(tx, self.bot, self.library)
        ]
        return "\n\n".join(filter(None, [*lines, say(language, "eval.help")]))

    def _last(self, tx: Tx, language: str) -> str:
        found = last_change(tx, self.bot)
        if found is None:
            return say(language, "eval.no_run")
        said = say(
            language, "eval.last", right=len(found.of(State.RIGHT)), count=len(found.new),
            better=len(found.better), worse=len(found.worse), broken=len(found.broken),
        )  # fmt: skip
        changed = {id(pair.new): pair for pair in (*found.broken, *found.worse, *found.better)}.values()
        return "\n".join([said, *(_changed(pair, language) for pair in list(changed)[:NAMED])])


def _wished(case: Case, rest: str, language: str) -> Case:
    """Return the case with the demand in the words after `/eval add`. Raises `BadInput` if the words are no demand."""
    word, _, text = rest.partition(" ")
    text = text.strip().strip("\"«»'")
    wish = WORDS.get(word.lower(), "") if rest else ""
    bare = replace(case, quotes=(), numbers=())
    if wish == "refuse":
        return replace(bare, must_refuse=True)
    if wish == "contains" and text:
        return replace(case, must_contain=(text,))
    if wish == "not" and text:
        return replace(bare, must_not=(text,))
    if rest:
        raise BadInput(say(language, "eval.wish"))
    return case


def _demands(case: Case, language: str) -> str:
    """Return the demands of a case as text, each on a line of its own."""
    found = [say(language, "eval.must.refuse")] if case.must_refuse else []
    found += [say(language, "eval.must.contain", text=text) for text in case.must_contain]
    found += [say(language, "eval.must.not", text=text) for text in case.must_not]
    found += [say(language, "eval.must.quote", text=_short(text)) for text in case.quotes]
    found += [say(language, "eval.must.tell", text=", ".join(case.numbers))] if case.numbers else []
    return "\n".join(f"· {line}" for line in found or [say(language, "eval.must.answer")])


def _changed(pair: Pair, language: str) -> str:
    """Return a case that has changed as text: the old answer, the new one, and what is wrong with it."""
    old = f"\n   – {_short(pair.old.answer)}" if pair.old is not None and pair.old.answer != pair.new.answer else ""
    said = pair.new.why_in(language)
    why = f"\n   ! {said}" if said else ""
    return f"· {_short(pair.new.case.question)}{old}\n   + {_short(pair.new.answer)}{why}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
