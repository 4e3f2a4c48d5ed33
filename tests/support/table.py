"""A table of examples inside one test. Begin with `table`.

`pytest.mark.parametrize` makes a test of each row, which pays where rows take time or need fixtures of their own; a
table of hundreds of short rows costs more to collect than to run.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

Test = Callable[..., None]


def table(names: str | Sequence[str], rows: Iterable[Any]) -> Callable[[Test], Test]:
    """Run a test once for each row, as one test that fails with a list of all rows that fail.

    `names` are parameters of the function: one, or a tuple of them. Each row gets a `monkeypatch` of its own, undone
    after it; other fixtures are shared by all rows.
    """
    given = [names] if isinstance(names, str) else names
    examples = [(row,) if isinstance(names, str) else tuple(row) for row in rows]

    def decorate(function: Test) -> Test:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def test(**fixtures: Any) -> None:
            failures = [failure for row in examples if (failure := tried(row, fixtures))]
            if failures:
                raise AssertionError(f"{len(failures)} of {len(examples)} rows:\n\n" + "\n\n".join(failures))

        def tried(row: tuple[Any, ...], fixtures: dict[str, Any]) -> str:
            try:
                with pytest.MonkeyPatch.context() as own:
                    patch = {"monkeypatch": own} if "monkeypatch" in fixtures else {}
                    function(**{**fixtures, **patch, **dict(zip(given, row, strict=True))})
            except (Exception, pytest.fail.Exception) as error:
                return f"{', '.join(map(repr, row))}: {type(error).__name__}: {error}"
            return ""

        kept = [parameter for parameter in signature.parameters.values() if parameter.name not in given]
        test.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]  # pytest reads it
        return test

    return decorate
