"""Time zones by the names that people give them."""

from __future__ import annotations

from bot.features.times.zones import name_of, zone
from tests.support.table import table


@table(
    ("said", "name"),
    [
        ("Europe/Moscow", "Europe/Moscow"), ("europe/moscow", "Europe/Moscow"), ("Москва", "Europe/Moscow"),
        ("new york", "America/New_York"), ("+3", "+03:00"), ("UTC+5:30", "+05:30"), ("МСК+2", "+05:00"),
        ("GMT-4", "-04:00"), ("Tokyo", "Asia/Tokyo"), ("port-au-prince", "America/Port-au-Prince"),
        ("Buenos Aires", "America/Buenos_Aires"),
    ],
)  # fmt: skip
def test_a_zone_is_found_by_name_city_or_offset(said: str, name: str) -> None:
    found = zone(said)
    assert found is not None
    assert name_of(found) == name
    assert zone(name_of(found)) == found


@table("said", ["", "nowhere", "+99", "../../etc/passwd", "yes please", "west"])
def test_what_is_no_zone_is_none(said: str) -> None:
    assert zone(said) is None
