"""Names of models and what is known about them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.ai import Profile
from bot.config.entries import ModelConfig
from bot.errors import ConfigError
from bot.providers import catalog
from bot.providers.yandex import names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("yandexgpt", "gpt://b1g/yandexgpt/latest"),
        (" yandexgpt-lite/rc ", "gpt://b1g/yandexgpt-lite/rc"),
        ("yandexgpt-lite/latest@tamr1", "gpt://b1g/yandexgpt-lite/latest@tamr1"),
        ("yandexgpt-lite@tamr1", "gpt://b1g/yandexgpt-lite/latest@tamr1"),
        ("lite", "gpt://b1g/yandexgpt-lite/latest"),
        ("yandexgpt-5.1", "gpt://b1g/yandexgpt-5.1"),
        ("gpt://other/yandexgpt", "gpt://other/yandexgpt"),
        ("gpt://other/yandexgpt-lite/latest@s", "gpt://other/yandexgpt-lite/latest@s"),
        ("ds://abc123", None),
        ("ds://other/abc123", "ds://other/abc123"),
        ("art://b1g/yandex-art/latest", None),
        ("http://evil/", None),
        ("", None),
        ("yandex gpt", None),
        ("a/b/c", None),
        ("../x", None),
    ],
)
def test_a_name_becomes_the_uri_of_a_model_that_answers(name: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ConfigError):
            names.uri(name, "b1g")
    else:
        assert names.uri(name, "b1g") == expected


@pytest.mark.parametrize(
    ("scheme", "name", "expected"),
    [
        ("art", "yandex-art", "art://b1g/yandex-art/latest"),
        ("art", "aliceai-image-art-3.0", "art://b1g/aliceai-image-art-3.0"),
        ("gpt", "yandexgpt-5.1", "gpt://b1g/yandexgpt-5.1"),
        ("gpt", "yandexgpt-5-lite/latest", "gpt://b1g/yandexgpt-5-lite/latest"),
        ("art", "art", "art://b1g/yandex-art/latest"),
        ("emb", "text-search-doc", "emb://b1g/text-search-doc/latest"),
        ("cls", "cls://b1g/yandexgpt-lite/latest@s", "cls://b1g/yandexgpt-lite/latest@s"),
    ],
)
def test_other_purposes_have_other_schemes(scheme: str, name: str, expected: str) -> None:
    assert names.uri(name, "b1g", scheme) == expected


def test_a_wrong_scheme_is_explained() -> None:
    with pytest.raises(ConfigError, match=r"not a model for pictures.*art://.*not gpt://"):
        names.uri("gpt://b1g/yandexgpt", "b1g", "art")


def test_a_name_without_a_folder_says_which_setting_is_missing() -> None:
    with pytest.raises(ConfigError, match="YC_FOLDER_ID"):
        names.uri("yandexgpt", "")
    assert names.uri("gpt://b1g/yandexgpt", "")


@pytest.mark.parametrize("name", ["yandexgpt", "pro", "yandexgpt/latest", "gpt://b1g/yandexgpt", "yandexgpt@tuned"])
def test_one_model_has_one_profile_by_all_its_names(name: str) -> None:
    assert catalog.profile(name) == catalog.KNOWN["yandexgpt"].profile


def test_a_version_may_have_a_profile_of_its_own() -> None:
    assert catalog.profile("gpt://b1g/yandexgpt/rc").price_in < catalog.profile("yandexgpt").price_in


def test_an_unknown_model_gets_the_safe_defaults() -> None:
    assert catalog.profile("gpt://b1g/brand-new/latest") == Profile()


def test_the_operator_s_row_overrules_only_what_it_says() -> None:
    rows = [ModelConfig(name="lite", window=1000, price_in=Decimal("0.3")), ModelConfig(name="new", window=5)]
    known = catalog.KNOWN["yandexgpt-lite"].profile
    found = catalog.profile("yandexgpt-lite", rows)
    assert (found.window, found.price_in, found.price_out) == (1000, Decimal("0.3"), known.price_out)
    assert catalog.profile("new", rows).window == 5
    assert catalog.profile("yandexgpt", rows) == catalog.KNOWN["yandexgpt"].profile


def test_a_row_for_a_tuned_model_is_for_that_one_only() -> None:
    rows = [ModelConfig(name="yandexgpt-lite@a", window=1)]
    assert catalog.profile("yandexgpt-lite@a", rows).window == 1
    assert catalog.profile("yandexgpt-lite@b", rows).window == 32_768


def test_there_is_always_something_to_choose_from() -> None:
    assert all(row.title for row in catalog.choices())
    assert {catalog.profile(row.name).native for row in catalog.choices()[:3]} == {True}
    assert any(catalog.profile(row.name).vision for row in catalog.choices())
    assert [row.title for row in catalog.choices([ModelConfig(name="x")])] == ["x"]
