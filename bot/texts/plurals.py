"""Plural forms by the rules of each language (CLDR, by Babel: `govorun[languages]`), and the names of languages."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bot.errors import ConfigError

if TYPE_CHECKING:
    from babel.core import Locale

FORMS = ("zero", "one", "two", "few", "many", "other")


MISSING = "plural forms need Babel: pip install govorun[languages]"


def is_installed() -> bool:
    """Whether Babel is there, without loading it."""
    return find_spec("babel") is not None


def form(language: str, number: float) -> str:
    """The form that a number wants: one of `FORMS`. Raises `ConfigError` without Babel."""
    locale = _locale(language)
    return "other" if locale is None else str(locale.plural_form(number))


def own_name(language: str) -> str:
    """What a language calls itself ("Deutsch"), its code if that is not known."""
    try:
        locale = _locale(language)
    except ConfigError:
        return language
    return (locale.get_display_name() or language).capitalize() if locale is not None else language


@lru_cache(maxsize=32)
def _locale(language: str) -> Locale | None:
    """The rules of a language, None for one that CLDR does not have. Raises `ConfigError` without Babel."""
    try:
        from babel.core import Locale, UnknownLocaleError
    except ImportError:
        raise ConfigError(f"texts: {MISSING}") from None
    try:
        return Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        return None
