"""Carries out the commands of operators: in the topic of a customer (/take, /give, /close, ...) and in the whole group
(/mine, /next, ...). Begin with `Words.run`.

What is written in a topic without a command, and notes that begin with `//`, is for `team/message_meaning.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.desk.assistance import offers, outcomes, translating
from bot.desk.assistance.orders import order_draft
from bot.desk.cases import Close, Event, Give, NotPossible, Release, Return, Snooze
from bot.desk.desk import Desk, Places
from bot.desk.formatting import Piece, formatted
from bot.desk.mirror import Mirror
from bot.desk.policy.canned import CannedAnswers
from bot.desk.policy.desk_file import seconds_of
from bot.desk.policy.rules import PRIORITIES
from bot.desk.rating import ask_stars
from bot.desk.team import lookup
from bot.desk.team.bans import order_ban
from bot.desk.team.duty import DUTY_WORDS, change_duty
from bot.extension import Decision
from bot.outbox import Choice
from bot.prompts.schema import Broken
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Tx
from bot.storage.tables.desk import CASES_BY_WAIT, HELD, OPERATOR, SNOOZED, WAITING, Case, Relay
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job

if TYPE_CHECKING:
    from bot.conversation.topic_choice import TopicChooser

DELETABLE = 48 * 3600.0  # seconds in which a bot may delete a message
UNDERSTOOD = "👌"  # the reaction to a command that was carried out
WAKE = "desk.wake"  # the job that brings a case back that was put aside
RUSSIAN = {"высокий": "high", "обычный": "normal", "низкий": "low"}
NAMED = 10  # cases in one message
LOOK_BACK = 20  # newest messages, among which the customer's last question is looked for
GROUP_WORDS = ("/mine", "/next", "/find", *DUTY_WORDS)


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a command: the addresses that have something to deliver, the case whose answer by the bot is
    stopped, and the reaction that the command gets.
    """

    places: Places = ()
    ended: Case | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """A command in the topic of a case. `replied` is the relayed message that it replies to, if any."""

    tx: Tx
    case: Case
    incoming: Incoming
    language: str
    replied: Relay | None = None

    @property
    def who(self) -> int:
        """The operator who writes."""
        return self.incoming.user.id

    @property
    def rest(self) -> str:
        """What stands after the command."""
        return self.incoming.rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Carries out the commands of operators.

    `mirror` brings their words to customers, `canned` are the prepared answers of the folder DESK, `colleagues` reads
    the ids and names of all operators, `is_admin` says whether an administrator has written a message in person.
    `topics` choose the topics of questions; None without a routing file.
    """

    mirror: Mirror
    colleagues: Callable[[Tx], Mapping[int, str]]
    canned: CannedAnswers
    is_admin: Callable[[Incoming], bool]
    topics: TopicChooser | None = None

    @property
    def desk(self) -> Desk:
        """The cases of the bot."""
        return self.mirror.desk

    def run(self, use: Use) -> Done:
        """Carry out a command in a topic. What is wrong with it is told in one line."""
        word = word_of(use.incoming)
        words: dict[str, Callable[[Use], Done]] = {
            "/take": self._take,
            "/give": self._give,
            "/snooze": self._snooze,
            "/del": self._delete,
            "/tag": self._tag,
            "/priority": self._priority,
            "/c": self._send_canned,
            "/canned": self._list_canned,
            "/info": self._info,
            "/draft": self._draft,
            "/ban": self._ban,
            "/label": self._label,
            "/translate": self._translate,
            "/bot": lambda use: self._apply(use, Return(use.who)),
            "/close": lambda use: self._apply(use, Close(use.who)),
            "/release": lambda use: self._apply(use, Release(use.who)),
        }
        if word in GROUP_WORDS:
            return self.run_in_group(use.tx, use.incoming)
        if word not in words:
            return self._told(use, "desk.words")
        try:
            return words[word](use)
        except NotPossible as error:
            return self._told(use, error.key, **error.values)
        except Broken as error:
            return Done(tell(self.desk, use.tx, use.incoming, str(error)))

    def run_in_group(self, tx: Tx, incoming: Incoming) -> Done:
        """/mine lists the own cases, /next takes the one that waits longest, /find looks for cases; /on, /pause and
        /off say whether the operator takes cases.
        """
        language, who = self.desk.language(tx, incoming.address.chat), incoming.user.id
        if (word := word_of(incoming)) in DUTY_WORDS:
            text, places = change_duty(self.desk, tx, incoming, word, language)
            return Done([*tell(self.desk, tx, incoming, text), *places])
        if word == "/find":
            return Done(lookup.find(self.desk, tx, incoming))
        if word == "/mine":
            mine = [
                case for case in tx.all(CASES_BY_WAIT, bot=self.desk.bot, owner=(HELD, SNOOZED)) if case.holder == who
            ]
            lines = [lookup.line_of(self.desk, tx, case, language) for case in mine[:NAMED]]
            text = "\n".join([say(language, "desk.mine", count=len(mine)), *lines])
            return Done(tell(self.desk, tx, incoming, text))
        here = incoming.address.chat
        for case in tx.all(CASES_BY_WAIT, bot=self.desk.bot, owner=WAITING):
            group = self.desk.group_of(tx, case)
            if incoming.private or (group is not None and group.chat == here):
                try:
                    places = self.desk.take_over(tx, case, who)
                except NotPossible:  # somebody else was faster
                    continue
                text = say(language, "desk.next", case=lookup.line_of(self.desk, tx, case, language))
                return Done([*places, *tell(self.desk, tx, incoming, text)], ended=case)
        return Done(tell(self.desk, tx, incoming, say(language, "desk.next.none")))

    def change(self, tx: Tx, case: Case, event: Event, who: int) -> Places:
        """Change a case, and tell its customer if the bot answers again. Raises `NotPossible`."""
        if isinstance(event, Return | Close) and translating.is_pending(tx, case):
            raise NotPossible("desk.translate.wait")  # the message would come after the end
        if isinstance(event, Return):
            return self.desk.give_back(tx, case, by=who, who=who)
        places = list(self.desk.change(tx, case, event, who=who))
        if isinstance(event, Snooze):
            payload = {"case": case.id}
            tx.jobs.add_job(Job(WAKE, f"{case.id}.{case.version}", case.address, payload, due=event.until))
        if isinstance(event, Close) and who:
            places += ask_stars(tx, tx.one(Case, bot=self.desk.bot, id=case.id) or case)
        return places

    # --- who has the case ---------------------------------------------------------------------------------------------

    def _apply(self, use: Use, event: Event) -> Done:
        return Done(self.change(use.tx, use.case, event, use.who), mark=UNDERSTOOD)

    def _take(self, use: Use) -> Done:
        return Done(self.desk.take_over(use.tx, use.case, use.who), ended=use.case, mark=UNDERSTOOD)

    def _give(self, use: Use) -> Done:
        """/give TEAM or NAME, or as a reply to a colleague."""
        wanted = use.rest.lstrip("@").casefold()
        teams = {team.casefold(): team for team in self.desk.table.teams} | {
            self.desk.table.title(team, use.language).casefold(): team for team in self.desk.table.teams
        }
        if wanted in teams:
            return self._apply(use, Give(use.who, team=teams[wanted]))
        people = {id_: name for id_, name in self.colleagues(use.tx).items() if id_ != use.who}
        found = [id_ for id_, name in people.items() if wanted and _is_called(name, wanted)]
        found += [one["user"]["id"] for one in use.incoming.entities if one.get("type") == "text_mention"]
        if not wanted and use.replied is not None and use.replied.author in people:
            found = [use.replied.author]
        if len(set(found)) != 1 or found[0] not in people:
            names = ", ".join((*sorted(people.values()), *(teams if len(self.desk.table.teams) > 1 else ())))
            return self._told(use, "desk.give.how", names=names or "–")
        return self._apply(use, Give(use.who, to=found[0]))

    def _snooze(self, use: Use) -> Done:
        seconds = seconds_of(use.rest)
        if seconds is None:
            return self._told(use, "desk.snooze_how")
        return self._apply(use, Snooze(use.who, use.tx.clock.time() + seconds))

    # --- what is known of it ------------------------------------------------------------------------------------------

    def _tag(self, use: Use) -> Done:
        """/tag WORD; again, it goes away."""
        tag = use.rest.lstrip("#").lower()
        if not tag or len(tag) > 32 or not tag.replace("-", "").replace("_", "").isalnum():
            return self._told(use, "desk.tag.how")
        tags = use.case.tags.split()
        if tag in tags:
            tags.remove(tag)
            after = replace(use.case, tags=" ".join(tags))
            use.tx.cases.store_case(use.case, after)
        else:
            after = self.desk.applied(use.tx, use.case, Decision(tags=(tag,)))
        return Done(self.desk.show_card(use.tx, after, cause=use.incoming.id), mark=UNDERSTOOD)

    def _priority(self, use: Use) -> Done:
        word = RUSSIAN.get(use.rest.lower(), use.rest.lower())
        if word not in PRIORITIES:
            return self._told(use, "desk.priority.how")
        after = self.desk.applied(use.tx, use.case, Decision(priority=PRIORITIES[word]))
        return Done(self.desk.show_card(use.tx, after, cause=use.incoming.id), mark=UNDERSTOOD)

    def _label(self, use: Use) -> Done:
        """/label TOPIC: the customer's newest question is about this topic of the routing file; /label lists them."""
        table = self.topics.topics.table if self.topics is not None else None
        if self.topics is None or table is None:
            return self._told(use, "desk.label.none")
        asked = self._asked(use)
        titles = {key: table.title(key, use.language) for key in table.topic if key not in table.flags}
        wanted = use.rest.casefold()
        key = next((key for key, title in titles.items() if wanted in (key, title.casefold())), "")
        if not key or asked is None:
            now = self.topics.find(use.tx, asked.id) if asked is not None else None
            names = "\n".join(f"• {key} – {title}" for key, title in titles.items())
            return self._told(use, "desk.label", now=titles.get(now.choice.topic, "–") if now else "–", names=names)
        self.topics.pick(use.tx, asked, key)
        self.topics.keep_example(use.tx, self.desk.bot, asked, key)
        return Done(mark=UNDERSTOOD)

    def _asked(self, use: Use) -> Remembered | None:
        """The customer's newest question, None if there is none among the newest messages."""
        conversation = use.tx.messages.find_current_conversation(use.case.address)
        newest = use.tx.messages.list_newest(conversation, LOOK_BACK) if conversation is not None else ()
        return next((one for one in reversed(newest) if one.message.role == "user"), None)

    def _translate(self, use: Use) -> Done:
        """/translate on, off, or the language that the operators read: whether this case is translated."""
        wanted = use.rest.lower()
        if self.desk.table.translate_of(self.desk.hours.team(use.case)).mode == translating.OFF:
            return self._told(use, "desk.translate.off")
        if wanted not in ("on", "off") and wanted not in translating.CODES.split():
            now = translating.for_team(self.desk, use.tx, use.case) or "–"
            return self._told(use, "desk.translate.how", now=now, customer=use.case.language or "?")
        use.tx.cases.store_case(use.case, replace(use.case, translate=wanted))
        return Done(mark=UNDERSTOOD)

    def _info(self, use: Use) -> Done:
        """/info: the card once more, as the newest message."""
        return Done(self.desk.show_card(use.tx, use.case, again=True, cause=use.incoming.id))

    # --- what is said -------------------------------------------------------------------------------------------------

    def _delete(self, use: Use) -> Done:
        """/del as a reply to the own answer: delete it at the customer's."""
        relay, tx = use.replied, use.tx
        case = tx.one(Case, bot=self.desk.bot, id=relay.case_id) if relay is not None else None
        if relay is None or case is None or relay.side != OPERATOR or relay.author != use.who:
            return self._told(use, "desk.del_how")
        if tx.clock.time() - relay.at > DELETABLE:
            return self._told(use, "desk.del_late")
        return Done(self.mirror.delete_relayed(tx, case.address, relay.delivery, use.incoming.id), mark=UNDERSTOOD)

    def _list_canned(self, use: Use) -> Done:
        """/canned lists the answers, /canned NAME shows one."""
        name = use.rest
        if not name:
            return self._all_canned(use)
        found = self.canned.find(name, use.case.language)
        return self._unknown(use, name) if found is None else Done(tell(self.desk, use.tx, use.incoming, found.text))

    def _send_canned(self, use: Use) -> Done:
        """/c NAME: send a canned answer to the customer."""
        case, name = use.case, use.rest
        if case.owner != HELD or case.holder != use.who:
            return self._told(use, "desk.not_yours" if case.owner == HELD else "desk.take_first")
        text = self.filled(use.tx, case, name, use.incoming.user.name)
        if text is None:
            return self._unknown(use, name)
        own = replace(use.incoming, reply_to=0)
        places = self.mirror.relay_from_operator(use.tx, case, own, text=text, is_ready=True)
        return Done([*places, *self.after_canned(use.tx, case, name, use.incoming)])

    def offer_canned(self, tx: Tx, case: Case, name: str, incoming: Incoming) -> Places:
        """Show a canned answer in the topic, with a button that sends it. Raises `NotPossible`, `Broken`."""
        text, seat = self.filled(tx, case, name, incoming.user.name), self.desk.seat(tx, case)
        if text is None or seat is None:
            raise NotPossible("desk.canned.none")
        payload = {"case": case.id, "text": text, "canned": name}
        choice = Choice(say(self.desk.language(tx, seat.place), "desk.send.draft"), "desk.send", payload)
        key = f"{incoming.id}.canned"
        return offers.show(self.desk, tx, seat, key, "desk.canned.offer", text, choices=[choice])

    def filled(self, tx: Tx, case: Case, name: str, operator: str) -> str | None:
        """A canned answer with what its placeholders stand for; None if there is none of that name. Raises `Broken`."""
        found = self.canned.find(name, case.language)
        if found is None:
            return None
        now = tx.clock.time()
        opening = self.desk.hours.next_opening(case, now)
        return found.filled(
            {
                "name": case.name,
                "number": str(case.number),
                "operator": operator,
                "next opening": self.desk.hours.named(case, opening or now, case.language),
            }
        )

    def after_canned(self, tx: Tx, case: Case, name: str, incoming: Incoming) -> Places:
        """Do what the first line of a canned answer says, after it was sent. Raises `NotPossible`, `Broken`."""
        found, places = self.canned.find(name, case.language), list[Address]()
        case = tx.one(Case, bot=self.desk.bot, id=case.id) or case
        if found is not None and found.tags:
            case = self.desk.applied(tx, case, Decision(tags=found.tags))
            places += self.desk.show_card(tx, case, cause=incoming.id)
        if found is not None and found.closes:
            places += self.change(tx, case, Close(incoming.user.id), incoming.user.id)
        return places

    def _draft(self, use: Use) -> Done:
        """/draft: have an answer written; what stands behind the word says how. /draft auto: see `_automatic`."""
        if use.rest.split()[:1] == ["auto"]:
            return self._automatic(use)
        if not use.case.is_for_people:
            return self._told(use, "desk.is_closed" if use.case.closed else "desk.is_bots")
        if self.desk.draft_mode(use.case) == "off":
            return self._told(use, "desk.draft.off")
        order_draft(use.tx, use.case, use.incoming.id, use.rest)
        return Done(mark=UNDERSTOOD)

    def _automatic(self, use: Use) -> Done:
        """/draft auto: drafts about the topic of the newest question, or else of the newest draft, go out without a
        person; /draft auto off: they do not. Administrators decide.
        """
        off = use.rest.split()[1:]
        asked = self._asked(use)
        found = self.topics.find(use.tx, asked.id) if self.topics is not None and asked is not None else None
        label = found.choice.topic if found is not None else use.tx.drafts.read_label(use.case.id)
        if off not in ([], ["off"]) or not label:
            return self._told(use, "desk.auto.how")
        if not self.is_admin(use.incoming):
            return self._told(use, "desk.auto.admin")
        if off:
            return Done(tell(self.desk, use.tx, use.incoming, outcomes.ended(self.desk, use.tx, label, use.language)))
        if self.desk.draft_mode(use.case) != "auto":
            return self._told(use, "desk.auto.mode")
        _, told = outcomes.agreed(self.desk, use.tx, label, use.language)
        return Done(tell(self.desk, use.tx, use.incoming, told))

    def _ban(self, use: Use) -> Done:
        """/ban, /ban 7d, /ban 7d REASON: lock the customer out of the bot."""
        first = use.rest.partition(" ")[0]
        if first[:1].isdigit() and not seconds_of(first):  # not for good because of a slip
            return self._told(use, "desk.ban.how")
        order_ban(use.tx, use.case, use.who, use.incoming.id, use.rest)
        return Done(mark=UNDERSTOOD)

    def _unknown(self, use: Use, name: str) -> Done:
        """Name the answers most like one that does not exist, all of them if none is like it."""
        near = self.canned.nearest(name)
        return self._told(use, "desk.canned.unknown", names=", ".join(near)) if near else self._all_canned(use)

    def _all_canned(self, use: Use) -> Done:
        names = "\n".join(f"• {one}" for one in self.canned.names())
        return self._told(use, "desk.canned" if names else "desk.canned.none", names=names)

    def _told(self, use: Use, key: str, **values: object) -> Done:
        return Done(tell(self.desk, use.tx, use.incoming, say(use.language, key, **values)))


def tell(desk: Desk, tx: Tx, incoming: Incoming, text: str, choices: Sequence[Choice] = ()) -> Places:
    """Answer a message in a group of operators, below it."""
    key = f"{incoming.id}.told"
    outgoing = formatted([Piece(text)], reply_to=incoming.message_id, keeps_place=True)
    seat = tx.seats.find_seat(incoming.address)
    if seat is not None:
        outgoing = desk.with_buttons(tx, seat, key, outgoing, choices)
    tx.outbox.add_answer(key, incoming.address, outgoing)
    return [incoming.address]


def word_of(incoming: Incoming) -> str:
    """The command with which a message begins, such as "/mine", without the name of the bot; "" for an empty text."""
    return "".join(incoming.text.split(maxsplit=1)[:1]).partition("@")[0].lower()


def _is_called(name: str, wanted: str) -> bool:
    """Whether a name is the wanted one, or begins with it as a word."""
    return name.casefold() == wanted or name.casefold().split()[:1] == [wanted]
