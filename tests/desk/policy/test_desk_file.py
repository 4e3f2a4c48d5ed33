"""`desk.toml`: what it means, and what is said of its mistakes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.desk.policy.desk_file import DeskFile, DeskTable, example, read, seconds_of
from bot.desk.policy.rules import Decision, Question, amounts, decide, has_word
from bot.prompts.schema import Broken
from tests.support.table import table

HEAD = '[team.support]\ntitle = "Support"\n[team.billing]\ntitle = "Billing"\n'


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_example_can_be_used(language: str) -> None:
    found = read(example(language).encode(), "desk.toml")
    assert found.teams == ("support", "billing")
    assert found.promise_of("billing").first == 900.0
    assert not found.hours.hours.always
    assert found.hours_of("billing").hours != found.hours_of("support").hours
    assert decide(found, Question("5 001 ₽: верните по счёту, invoice 5001", language)).team == "billing"


@table(
    ("text", "says"),
    [
        (
            "[hours]\nmon = ['9-18']",
            "line 2: hours.week.mon: '9-18' is no span of a day; write it like \"09:00-18:00\"",
        ),
        ("[hours]\nmon = ['09:00-12:00', '11:00-13:00']", "two spans overlap"),
        ("[hours]\nmon = ['09:00-09:00']", "is empty; a whole day is"),
        ("[hours]\nmon = ['09:00-25:00']", "no span of a day"),
        ("[hours]\nmon = '09:00-12:00'", "a list like"),
        ("[hours]\nmon = []", "a week without an opening"),
        ("[hours]\nmon = ['09:00-12:00']\nmon-fri = ['09:00-12:00']", "mon stands there twice"),
        ("[hours]\nfunday = ['09:00-12:00']", "line 2: hours.funday: not known here; did you mean sunday"),
        ("[hours]\nzone = 'Europe/Moskow'\nmon = ['09:00-12:00']", "line 2: hours.zone: there is no time zone"),
        ("[hours]\nopen = { tomorrow = ['09:00-12:00'] }", "'tomorrow' is no date"),
        ("[hours]\nclosed = ['31.12.2026']", "line 2: hours.closed"),
        ("[hours]\nholidays = 'XX'\nmon = ['09:00-12:00']", "line 2: hours.holidays: there are no holidays of 'XX'"),
        ("[hours]\nholidays = 'DE-XX'\nmon = ['09:00-12:00']", "there are no holidays of 'DE-XX'"),
        ("[promise]\nfirst = 15", "line 2: promise.first: a time like"),
        ("[promise]\nfirst = '0m'", "a time like"),
        ("[promise]\nlast = '5m'", "promise.last: not known here"),
        ("[person]\nthumbs_down = -1", "line 2: person.thumbs_down"),
        (
            HEAD + "[[rule]]\nwhen = { words = ['x'] }\ndo = { team = 'sales' }",
            "line 7: rule.do.team: there is no team 'sales'; the file has",
        ),
        (
            "[[rule]]\nwhen = { words = ['x'] }\ndo = { person = true }\n[[rule]]\nwhen = { cases_above = -1 }\n",
            "line 5: rule.when.cases_above: ",
        ),
        (
            "[person]\nturns = 1\n\n[[rule]]\nwhen = { words = ['x'] }\n[close]\nquiet = '2h'",
            "line 4: rule.do: is missing",
        ),
        (HEAD + "[[rule]]\nwhen = {}\ndo = { person = true }", "a rule without a condition"),
        (HEAD + "[[rule]]\nwhen = { words = ['x'] }\ndo = {}", "this rule does nothing"),
        ("[team.Sales]\ntitle = 'x'", "small Latin letters"),
        ("[team.sales]", "line 1: team.sales: title is missing"),
        ("\n".join(f"[team.t{number}]\ntitle = 'x'" for number in range(21)), "21 teams, at most 20"),
        ("[[rule]]\nwhen = { words = ['x'] }\ndo = { person = true }\n" * 201, "201 rules, at most 200"),
        ("[hours\n", "line 1: not TOML"),
        ("x = " + "[" * 5000, "not TOML"),
        ("#" * 100_001, "100001 characters, at most 100000"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, says: str) -> None:
    with pytest.raises(Broken) as caught:
        read(text.encode(), "desk.toml")
    assert str(caught.value).startswith("desk.toml")
    assert says.partition("; did")[0] in str(caught.value)


def test_while_a_file_has_a_mistake_its_last_valid_state_counts(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    file = DeskFile(tmp_path)
    assert (file.table, file.problem) == (DeskTable(), "")
    path.write_text("[person]\nturns = 7")
    assert (file.table.person.turns, file.problem) == (7, "")
    path.write_text("[person]\nturns = -71")
    assert file.table.person.turns == 7
    assert "line 2: person.turns" in file.problem
    path.unlink()
    assert (file.table.person.turns, file.problem) == (7, "")


RULES = read(
    (
        HEAD + "[[rule]]\nwhen = { words = ['refund', 'money back', 'возврат*'], amount_above = 5000 }\n"
        "do = { team = 'billing', priority = 'high', person = true }\n"
        "[[rule]]\nwhen = { label = ['legal', 'angry'] }\ndo = { tag = 'legal', person = true }\n"
        "[[rule]]\nwhen = { language = ['ru'], hours = 'closed' }\ndo = { tag = 'night' }\n"
        "[[rule]]\nwhen = { cases_above = 2 }\ndo = { priority = 'low', tag = 'regular' }\n"
    ).encode(),
    "desk.toml",
)


@table(
    ("question", "decision"),
    [
        (Question("refund 5 001", "en"), Decision("billing", 1, (), person=True)),
        (Question("refund of 5000", "en"), Decision()),
        (Question("refunds 6000", "en"), Decision()),
        (Question("Give me my MONEY   back: 12 500,50!", "en"), Decision("billing", 1, (), person=True)),
        (Question("о возврате 90000", "ru"), Decision("billing", 1, (), person=True)),
        (Question("возвраты 90000", "ru"), Decision("billing", 1, (), person=True)),
        (Question("hello", "en", labels=("other", "angry")), Decision("", None, ("legal",), person=True)),
        (Question("привет", "ru-RU", is_open=False), Decision("", None, ("night",))),
        (Question("привет", "ru"), Decision()),
        (
            Question("refund 9999", "en", ("legal",), cases=3),
            Decision("billing", -1, ("legal", "regular"), person=True),
        ),
    ],
)
def test_every_rule_that_fits_is_applied_in_order(question: Question, decision: Decision) -> None:
    assert decide(RULES, question) == decision


@table(
    ("text", "numbers"),
    [
        ("12 500,50 ₽", [12500.5]), ("1,234.5 and 7", [1234.5, 7.0]), ("order 5512", [5512.0]),
        ("1.234.567", [1234567.0]), ("none", []), ("3,5", [3.5]), ("9" * 40, [float("9" * 12)]),
    ],
)  # fmt: skip
def test_amounts_are_read_with_their_thousands(text: str, numbers: list[float]) -> None:
    assert list(amounts(text))[: len(numbers)] == numbers


@table(
    ("text", "seconds"),
    [("15m", 900.0), ("2 h", 7200.0), ("3д", 259200.0), ("90", None), ("h", None), ("2h30m", None), ("-1h", None)],
)
def test_spans_are_read(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


def test_a_word_is_a_whole_word() -> None:
    assert has_word("Where is my INVOICE?", ["invoice"])
    assert not has_word("invoices", ["invoice"])
    assert has_word("invoices", ["invoice*"])
    assert has_word("счёт", ["счет"])


@table(
    ("country", "moment", "opening"),
    [
        ("RU", "2026-11-03T18:00", "2026-11-05T09:00"),  # the 4th is the Day of National Unity
        ("RU", "2025-10-31T18:00", "2025-11-01T09:00"),  # a Saturday on which people work instead of Monday the 3rd
        ("RU", "2025-11-01T18:00", "2025-11-05T09:00"),
        ("RU", "2026-12-30T18:00", "2027-01-11T09:00"),
        ("DE", "2026-12-24T18:00", "2026-12-28T09:00"),  # two holidays and Sunday
        ("DE", "2026-01-05T18:00", "2026-01-06T09:00"),
        ("DE-BY", "2026-01-05T18:00", "2026-01-07T09:00"),  # Epiphany is a holiday in Bavaria
        ("", "2026-12-24T18:00", "2026-12-25T09:00"),
    ],
)
def test_public_holidays_are_closed_and_days_that_were_moved_are_open(country: str, moment: str, opening: str) -> None:
    zone = ZoneInfo("Europe/Moscow")
    text = f"[hours]\nzone = 'Europe/Moscow'\nholidays = '{country}'\nmon-fri = ['09:00-18:00']\n"
    hours = read(text.encode(), "desk.toml").hours.hours
    found = hours.next_opening(datetime.fromisoformat(moment).replace(tzinfo=zone).timestamp())
    assert datetime.fromtimestamp(found or 0, zone).isoformat()[:16] == opening
