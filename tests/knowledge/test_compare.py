"""Two sentences say the same, or contradict each other by a number or a date."""

from __future__ import annotations

from bot.knowledge.learning.compare import LIKE, differs, likeness
from tests.support.table import table

SENTENCE = "Returns are free within 14 days."
PAIRS = (  # a sentence, another one, whether they contradict each other
    (SENTENCE, "Returns are free within 30 days.", True),
    (SENTENCE, "Returns are free within 14 days, and cost 300 roubles later.", False),
    (SENTENCE, "Returns are free.", False),
    ("Laptops are repaired for one year.", "Laptops are repaired for two years.", True),
    ("Склад закрыт до 3 мая.", "Склад закрыт до 9 июня.", True),
    ("Возврат занимает три дня.", "Возврат занимает 3 дня.", False),
)


@table(("one", "other", "contradicts"), PAIRS)
def test_only_another_number_or_date_contradicts(one: str, other: str, contradicts: bool) -> None:
    assert differs(one, other) is contradicts
    assert differs(other, one) is contradicts


def test_sentences_about_different_things_are_not_alike() -> None:
    assert likeness(SENTENCE, "Within 30 days returns are free of charge.") >= LIKE
    assert likeness(SENTENCE, "The warehouse is closed on Sundays.") == 0
    assert likeness("14 days.", "14 days.") == 0
