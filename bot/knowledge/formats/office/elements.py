"""Elements of lxml by their names without the name space, as the files of office programs are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def name_of(element: Any) -> str:
    """The name of an element, "" for a comment or an entity."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def value_of(element: Any, name: str) -> str:
    """An attribute of an element (None: of none), "" where it is missing."""
    if element is None:
        return ""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def find(element: Any, *path: str) -> Any:
    """The first child of the first child ... of these names; None if one is missing."""
    for name in path:
        element = None if element is None else next((one for one in element if name_of(one) == name), None)
    return element


def find_all(element: Any, name: str) -> Iterator[Any]:
    """All elements of this name inside, except in what older programs show instead of a newer element."""
    return (one for one in element.iter("{*}" + name) if not _is_fallback(one))


def is_on(element: Any) -> bool:
    """Whether a property that is on or off is there and on."""
    return element is not None and value_of(element, "val") not in ("0", "false", "off", "none")


def _is_fallback(element: Any) -> bool:
    return any(name_of(parent) == "Fallback" for parent in element.iterancestors())
