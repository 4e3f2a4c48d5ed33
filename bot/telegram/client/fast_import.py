"""Import aiogram fast: import this module before anything of aiogram.

aiogram 3.31 builds the validators of all its 400 models while it is imported: about 2.3 s and 100 MB, most of them for
things that a chatbot never sees. This module postpones the building: it gives each module of aiogram the names that its
annotations refer to, so that pydantic builds a model when it is first used. Where the layout of aiogram is not the
expected one, aiogram is imported unchanged.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from types import ModuleType
from typing import Any, Literal, Optional, Union

from pydantic import BaseModel

NAME = re.compile(r"[A-Z]\w*")
TYPING: dict[str, Any] = {"Optional": Optional, "Union": Union, "Literal": Literal, "List": list}


def load() -> bool:
    """Import aiogram and return True if its models are built on demand. A second call does nothing."""
    if "aiogram" in sys.modules:
        return getattr(sys.modules["aiogram"], "_built_on_demand", False)
    rebuild = BaseModel.__dict__["model_rebuild"]
    BaseModel.model_rebuild = classmethod(lambda cls, **_: None)  # type: ignore[assignment,method-assign]
    try:
        aiogram = importlib.import_module("aiogram")
    finally:
        BaseModel.model_rebuild = rebuild  # type: ignore[method-assign]
    names = _names()
    if names:
        for module in _modules():
            _give(module, names)
    else:
        aiogram = _again()
    setattr(aiogram, "_built_on_demand", bool(names))  # noqa: B010
    return bool(names)


def _names() -> dict[str, Any]:
    """Return every name that an annotation of aiogram may mention; nothing when the layout of aiogram is unknown."""
    types = sys.modules.get("aiogram.types")
    default = getattr(sys.modules.get("aiogram.client.default"), "Default", None)
    if types is None or default is None or not hasattr(types, "__all__"):
        return {}
    return {**TYPING, "Default": default, **{name: getattr(types, name) for name in types.__all__}}


def _modules() -> list[ModuleType]:
    prefixes = ("aiogram.types.", "aiogram.methods.")
    return [module for name, module in list(sys.modules.items()) if name.startswith(prefixes)]


def _give(module: ModuleType, names: dict[str, Any]) -> None:
    for value in list(vars(module).values()):
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__:
            for name in _mentioned(value):
                if name in names:
                    module.__dict__.setdefault(name, names[name])


def _mentioned(model: type) -> set[str]:
    """Return the names in the annotations of a model and its base classes: they are looked up in the model's own
    module.
    """
    annotations = [text for kind in model.__mro__ for text in inspect.get_annotations(kind).values()]
    return {name for text in annotations if isinstance(text, str) for name in NAME.findall(text)}


def _again() -> ModuleType:
    """Import aiogram anew and unchanged, so that it builds its models itself."""
    for name in [name for name in sys.modules if name == "aiogram" or name.startswith("aiogram.")]:
        del sys.modules[name]
    return importlib.import_module("aiogram")


load()
