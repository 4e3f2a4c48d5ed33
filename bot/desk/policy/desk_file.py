"""`desk.toml`: who calls a person, hours, promises of time, rules and teams. Begin with `read`.

A file that can't be used as it is raises `Broken` with one sentence: the file, the line, what is wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from bot.desk.policy.hours import DAY_MINUTES, Hours, Span
from bot.prompts.library import Shelf
from bot.prompts.schema import Broken, Part, Title, Words, located, said, sentence, toml_of

NAME = "desk"  # of the file, without its ending
FIRST_TEAM = "support"  # where the file names no team
SPAN = re.compile(r"(\d{1,4})\s*([mhdмчд])", re.IGNORECASE)
SECONDS = {"m": 60.0, "м": 60.0, "h": 3600.0, "ч": 3600.0, "d": 86400.0, "д": 86400.0}
WORKING = re.compile(r"(\d{1,2}):([0-5]\d)\s*[-–]\s*(\d{1,2}):([0-5]\d)")
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TEAM = re.compile(r"[a-z][a-z0-9_-]{0,47}")
MOST_RULES, MOST_TEAMS = 200, 20
CALLS = (
    "human", "operator", "agent", "person", "support", "оператор", "оператора", "человек", "человека", "человеком",
    "поддержка", "поддержку", "поддержкой", "специалист", "специалиста", "менеджер", "менеджера",
)  # fmt: skip
EXAMPLE = Path(__file__).parent


def seconds_of(text: str) -> float | None:
    """The seconds of a span such as "15m", "2h" or "3d"; None for anything else."""
    found = SPAN.fullmatch(text.strip())
    return int(found[1]) * SECONDS[found[2].lower()] if found else None


def span_of(seconds: float) -> str:
    """Seconds as a span that `seconds_of` reads: 7200.0 is "2h"."""
    unit = next((unit for unit in "dhm" if seconds % SECONDS[unit] == 0), "m")
    return f"{math.ceil(seconds / SECONDS[unit])}{unit}"


def _span(value: Any) -> Any:
    seconds = seconds_of(value) if isinstance(value, str) else None
    if not seconds:
        raise ValueError('a time like "15m", "2h" or "3d" is expected')
    return seconds


def _calendar(place: str) -> Callable[[date], bool | None]:
    """Return what tells whether a day is a public holiday (`Hours.is_holiday`). Raises `ValueError`."""
    try:
        from holidays import country_holidays
    except ImportError:
        raise ValueError("public holidays need the extra desk: pip install 'govorun[desk]'") from None
    country, _, part = place.partition("-")
    try:
        calendar = country_holidays(country, subdiv=part or None)
    except NotImplementedError:
        raise ValueError(f'there are no holidays of {place!r}; write a country like "RU" or "DE-BY"') from None

    def is_holiday(day: date) -> bool | None:
        """Whether a day is a holiday; False for a weekend day on which people work instead."""
        if day in calendar:
            return True
        return False if calendar.is_weekend(day) and calendar.is_working_day(day) else None

    return is_holiday


def _working(value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError('a list like ["09:00-13:00", "14:00-18:00"] is expected; [] is closed')
    spans = sorted(_working_span(one) for one in value)
    if any(later[0] < former[1] for former, later in pairwise(spans)):
        raise ValueError("two spans overlap")
    return tuple(spans)


def _working_span(text: str) -> Span:
    found = WORKING.fullmatch(text.strip())
    begin, end = (int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])) if found else (0, -1)
    if not found or begin >= DAY_MINUTES or end > DAY_MINUTES:
        raise ValueError(f'{text!r} is no span of a day; write it like "09:00-18:00"')
    if begin == end:
        raise ValueError(f'{text!r} is empty; a whole day is "00:00-24:00"')
    return begin, end if end > begin else end + DAY_MINUTES  # over midnight


Seconds = Annotated[float, BeforeValidator(_span)]
Working = Annotated[tuple[Span, ...], BeforeValidator(_working)]
Word = Annotated[str, Field(min_length=1, max_length=100)]
DraftMode = Literal["off", "ask", "always", "auto"]
Away = Literal["bot", "collect"]
Priority = Literal["low", "normal", "high"]


class Person(Part):
    """The table `[person]`: what calls a person beside /human. 0 and an empty list call nobody. `choice`: the first
    answer of each case has a button that does.
    """

    words: tuple[Word, ...] = CALLS
    thumbs_down: int = Field(2, ge=0, le=100)
    turns: int = Field(0, ge=0, le=1000)
    tool: bool = True
    choice: bool = False


class WorkingHours(Part):
    """The table `[hours]`: spans by days ("mon", "mon-fri"), single days, and what happens while nobody is there.
    `holidays` is a country (ISO 3166, "RU") or a part of one ("DE-BY") whose public holidays are closed.
    """

    zone: str = "UTC"
    week: Mapping[str, Working] = {}
    holidays: str = ""
    closed: tuple[date, ...] = ()
    open: Mapping[str, Working] = {}
    away: Away = "bot"
    text: Words = {}

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone {value!r}; write it like Europe/Moscow") from None
        return value

    @field_validator("holidays")
    @classmethod
    def _is_country(cls, value: str) -> str:
        if value:
            _calendar(value)
        return value

    @field_validator("open")
    @classmethod
    def _are_dates(cls, value: Mapping[str, Working]) -> Mapping[str, Working]:
        for day in value:
            try:
                date.fromisoformat(day)
            except ValueError:
                raise ValueError(f'{day!r} is no date; write it like "2026-12-31"') from None
        return value

    @field_validator("week")
    @classmethod
    def _are_days(cls, value: Mapping[str, Working]) -> Mapping[str, Working]:
        seen: set[int] = set()
        for name in value:
            days = _days(name)
            if not days:
                raise ValueError(f"{name!r} is no day; write mon, tue, wed, thu, fri, sat, sun or mon-fri")
            if again := seen & set(days):
                raise ValueError(f"{WEEK[min(again)]} stands there twice")
            seen |= set(days)
        if value and not any(value.values()):
            raise ValueError("a week without an opening; leave the hours out if somebody is always there")
        return value

    @cached_property
    def hours(self) -> Hours:
        """The hours to count with."""
        if not self.week:
            return Hours()
        week: list[Sequence[Span]] = [()] * 7
        for name, spans in self.week.items():
            for day in _days(name):
                week[day] = spans
        days: dict[date, Sequence[Span]] = dict.fromkeys(self.closed, ())
        days |= {date.fromisoformat(day): spans for day, spans in self.open.items()}
        return Hours(ZoneInfo(self.zone), week, days, _calendar(self.holidays) if self.holidays else None)


class Promises(Part):
    """The table `[promise]`: in how many working seconds a customer has the first answer, each next one, and the case
    is closed; None: nothing is promised. At the share `remind` of that time operators are reminded. `lead` are the ids
    of users who are told in private of what is late.
    """

    first: Seconds | None = None
    next: Seconds | None = None
    close: Seconds | None = None
    remind: float = Field(0.8, gt=0, lt=1)
    lead: tuple[int, ...] = ()

    @property
    def any(self) -> bool:
        """Whether anything is promised."""
        return bool(self.first or self.next or self.close)


class Quiet(Part):
    """The table `[close]`: a held case whose customer is silent for `quiet` seconds is closed `grace` seconds after a
    warning; a case of the bot that is quiet for `bot` seconds is closed when its customer writes again.
    """

    quiet: Seconds | None = None
    grace: Seconds = 2 * 3600.0
    bot: Seconds = 86_400.0


# Where the operators of a team see their cases: in topics of the group, or in topics of their own private chats.
Place = Literal["group", "own"]


class Assign(Part):
    """The table `[assign]`: who gets a waiting case. "pull": who takes it; "round": it is offered to the operator who
    has been idle longest; "same": first to the one who knows the customer. Nobody is offered one who has `capacity`
    cases; after `patience` seconds the next one is asked.
    """

    how: Literal["pull", "round", "same"] = "pull"
    capacity: int = Field(5, ge=1, le=100)
    patience: Seconds = 120.0


class Mask(Part):
    """The table `[mask]`: what is hidden in customers' messages before operators, models and the database get them."""

    cards: bool = False
    passwords: bool = False
    phones: bool = False

    @property
    def is_on(self) -> bool:
        """Whether anything is hidden."""
        return self.cards or self.passwords or self.phones


class Hook(Part):
    """The table `[hook]`: the address of another program that is told what happens to cases."""

    url: str = ""

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and not re.match(r"https?://[^\s/]+", value):
            raise ValueError("an address like https://crm.example.com/desk is expected")
        return value


class Drafting(Part):
    """The table `[draft]`: a model writes answers for operators never ("off"), on request ("ask"), or to each message
    of a customer ("always"); with "auto" those about proven topics go out without a person (`assistance/automatic.py`).
    """

    mode: DraftMode = "ask"


class Translating(Part):
    """The table `[translate]`: messages are translated never ("off"), in cases where an operator wants it ("ask"), or
    wherever customer and operators have different languages ("auto").
    """

    mode: Literal["off", "ask", "auto"] = "ask"


class ModelLimits(Part):
    """The table `[model]`: what the models beside the operators may spend in a day (UTC); 0: no limit but the bot's.
    A team with limits of its own has a purse of its own.
    """

    daily_tokens: int = Field(0, ge=0)
    daily_money: float = Field(0, ge=0)


class Accounts(Part):
    """The table `[business]`: the bot writes in the chats of people's accounts. An answer is a draft for the owner
    ("draft"), or goes out alone always or while nobody works ("always", "closed"), if it is about one of the
    `labels` or there are none. An owner who writes himself has the chat until he was `quiet` for so long. `notice`: the
    first answer of the bot says that it is one.
    """

    answer: Literal["draft", "always", "closed"] = "draft"
    labels: tuple[Word, ...] = ()
    quiet: Seconds = 2 * 3600.0
    notice: bool = True


class Team(Part):
    """A table `[team.NAME]`: people with a group of their own. What it leaves out is as in the whole file."""

    title: Title = {}
    hours: WorkingHours | None = None
    promise: Promises | None = None
    assign: Assign | None = None
    seats: Place | None = None
    draft: Drafting | None = None
    translate: Translating | None = None
    model: ModelLimits | None = None


class When(Part):
    """The conditions of a rule. A rule applies if all conditions that it gives are met."""

    words: tuple[Word, ...] = ()
    label: tuple[Word, ...] = ()
    language: tuple[Word, ...] = ()
    hours: Literal["", "open", "closed"] = ""
    cases_above: int | None = Field(None, ge=0)
    amount_above: float | None = Field(None, ge=0)


class Do(Part):
    """What a rule does with a case: gives it a team, a priority, a tag, calls a person, says when drafts
    are written.
    """

    team: str = ""
    priority: Priority | None = None
    tag: str = Field("", max_length=32, pattern=r"^[\w-]*$")
    person: bool = False
    draft: DraftMode | None = None


class Rule(Part):
    """A table `[[rule]]`. Every rule that fits is applied, in order; a later one replaces what an earlier one gave."""

    when: When
    do: Do


class DeskTable(Part):
    """The whole file. Without one (`DeskTable()`) people are always there and nothing is promised."""

    person: Person = Person()
    hours: WorkingHours = WorkingHours()
    promise: Promises = Promises()
    close: Quiet = Quiet()
    assign: Assign = Assign()
    seats: Place = "group"
    mask: Mask = Mask()
    hook: Hook = Hook()
    business: Accounts | None = None
    draft: Drafting = Drafting()
    translate: Translating = Translating()
    model: ModelLimits = ModelLimits()
    team: Mapping[str, Team] = {}
    rule: tuple[Rule, ...] = ()

    @property
    def teams(self) -> Sequence[str]:
        """The names of the teams; the first takes what no rule gives to another."""
        return tuple(self.team) or (FIRST_TEAM,)

    def title(self, team: str, language: str) -> str:
        """What a team is called in a language."""
        found = self.team.get(team)
        return said(found.title, language, team) if found is not None else team

    def hours_of(self, team: str) -> WorkingHours:
        """When a team works, and what is said while it does not."""
        found = self.team.get(team)
        return found.hours if found is not None and found.hours is not None else self.hours

    def promise_of(self, team: str) -> Promises:
        """What a team promises."""
        found = self.team.get(team)
        return found.promise if found is not None and found.promise is not None else self.promise

    def assign_of(self, team: str) -> Assign:
        """Who gets the waiting cases of a team."""
        found = self.team.get(team)
        return found.assign if found is not None and found.assign is not None else self.assign

    def seats_of(self, team: str) -> Place:
        """Where the operators of a team see their cases."""
        found = self.team.get(team)
        return found.seats if found is not None and found.seats is not None else self.seats

    @property
    def has_own_seats(self) -> bool:
        """Whether a team sees its cases in private chats."""
        return any(self.seats_of(team) == "own" for team in self.teams)

    def draft_of(self, team: str) -> Drafting:
        """When drafts are written in the cases of a team."""
        found = self.team.get(team)
        return found.draft if found is not None and found.draft is not None else self.draft

    def translate_of(self, team: str) -> Translating:
        """When messages are translated in the cases of a team."""
        found = self.team.get(team)
        return found.translate if found is not None and found.translate is not None else self.translate

    def purses(self) -> Mapping[str, ModelLimits]:
        """The limits of each purse: that of the whole desk (""), and those of teams with limits of their own."""
        return {"": self.model, **{name: team.model for name, team in self.team.items() if team.model is not None}}


KINDS: Sequence[type[Part]] = (
    DeskTable, Person, WorkingHours, Promises, Quiet, Assign, Mask, Hook, Drafting, Translating, ModelLimits, Accounts,
    Team, When, Do,
)  # fmt: skip


class DeskFile:
    """The settings file of the desk (`desk.toml`), read again when it changes. While it has a mistake, its last valid
    content counts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shelf = Shelf(folder, lambda data, _key, file: read(data, file))
        self._last = DeskTable()

    @property
    def table(self) -> DeskTable:
        """The rules of the desk as they are now."""
        self._last = self._shelf.find(NAME) or self._last
        return self._last

    @property
    def problem(self) -> str:
        """What is wrong with the file, with the line, so that its last valid content counts; "" if it is valid or
        missing.
        """
        return self._shelf.problem(NAME) if (self.folder / f"{NAME}.toml").is_file() else ""


def read(data: bytes, file: str) -> DeskTable:
    """Read the rules of a desk from the bytes of a file. Raises `Broken`."""
    text, table = toml_of(data, file)
    _fold_days(table)
    try:
        found = DeskTable.model_validate(table)
    except ValidationError as error:
        names = {name for kind in KINDS for name in kind.model_fields} | set(WEEK)
        raise Broken(sentence(error, text, file, names=names)) from None
    for steps, message in _mistakes(found):
        raise Broken(located(text, file, steps, message))
    return found


def example(language: str) -> str:
    """A file with comments, to begin with; in Russian ("ru") or English."""
    return (EXAMPLE / f"example.{'ru' if language == 'ru' else 'en'}.toml").read_text("utf-8")


def _fold_days(table: Mapping[str, Any]) -> None:
    """Put the days of a week, which stand beside the other settings of their table, into a table of their own."""
    teams = table.get("team")
    owners = [table, *(teams.values() if isinstance(teams, dict) else ())]
    for hours in (owner.get("hours") for owner in owners if isinstance(owner, dict)):
        if isinstance(hours, dict):
            days = [name for name in hours if name not in WorkingHours.model_fields and _days(name)]
            hours["week"] = {name: hours.pop(name) for name in days}


def _days(name: str) -> Sequence[int]:
    """The days of the week, from 0 for Monday, of a name such as "mon" or "fri-sun"; none for anything else."""
    first, _, last = name.partition("-")
    if first not in WEEK or (last or first) not in WEEK:
        return ()
    begin, end = WEEK.index(first), WEEK.index(last or first)
    return range(begin, end + 1)


def _mistakes(table: DeskTable) -> Iterator[tuple[Sequence[str], str]]:
    if len(table.team) > MOST_TEAMS:
        yield ("team",), f"{len(table.team)} teams, at most {MOST_TEAMS} are allowed"
    if len(table.rule) > MOST_RULES:
        yield ("rule",), f"{len(table.rule)} rules, at most {MOST_RULES} are allowed"
    for name, team in table.team.items():
        if not TEAM.fullmatch(name):
            yield ("team", name), "small Latin letters, digits, - and _ are expected"
        if not team.title:
            yield ("team", name), "title is missing"
    for number, rule in enumerate(table.rule):
        at = ("rule", str(number))
        if rule.do.team and rule.do.team not in table.team:
            yield (
                (*at, "do", "team"),
                f"there is no team {rule.do.team!r}; the file has {', '.join(table.team) or 'none'}",
            )
        if rule.when == When():
            yield (*at, "when"), "a rule without a condition would hold for every question"
        if rule.do == Do():
            yield (*at, "do"), "this rule does nothing"
