"""aiogram loaded on demand: all of it works, and what is not used costs nothing. Each test is a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.loaded import Loaded, among
from tests.support.once import once

pytestmark = pytest.mark.process

MODELS = """
import inspect, json, resource, sys
from pydantic import BaseModel, ValidationError

def models():
    "Every type and method of aiogram that is loaded."
    import aiogram.methods, aiogram.types
    names = ("aiogram.types.", "aiogram.methods.")
    modules = [module for name, module in sys.modules.items() if name.startswith(names)]
    found = {
        value for module in modules for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__
    }
    return sorted((kind for kind in found if not inspect.isabstract(kind)), key=lambda kind: kind.__name__)

def memory():
    "The peak of this process in KB: getrusage would count the one that it was forked from."
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))

def broken():
    "The models whose first use fails for any other reason than that nothing was given."
    wrong = []
    for kind in models():
        try:
            kind.model_validate({})
        except ValidationError:
            pass
        except Exception as error:
            wrong.append(f"{kind.__name__}: {type(error).__name__}: {error}"[:200])
    return wrong

def built():
    return sum(kind.__pydantic_complete__ for kind in models())

def tell(**found):
    print(json.dumps(found))
"""
# A version of aiogram that is laid out in another way: its types have no list of names.
ANOTHER_LAYOUT = """
import importlib.machinery

class Another:
    def find_spec(self, name, path, target=None):
        if name != "aiogram.types":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module
        def without_the_list(module):
            execute(module)
            del module.__all__
        spec.loader.exec_module = without_the_list
        return spec

sys.meta_path.insert(0, Another())
"""


READ = """
user = {"id": 1, "is_bot": False, "first_name": "Anna"}
chat = {"id": 1, "type": "private", "first_name": "Anna"}
bold = {"type": "bold", "offset": 0, "length": 2}
message = {"message_id": 2, "date": 1_800_000_000, "chat": chat, "from": user, "text": "hi", "entities": [bold]}
button = {"id": "1", "from": user, "chat_instance": "2", "data": "x", "message": message}
updates = [{"update_id": 1, "message": message}, {"update_id": 2, "callback_query": button}]

def read():
    from aiogram.types import Update
    return [Update.model_validate(update).model_dump_json() for update in updates]
"""
SELDOM = (
    "PIL", "aiohttp.web", "alembic", "babel", "cryptography", "docx", "greenlet", "mcp", "opentelemetry.sdk", "psycopg",
    "pypdf", "rich", "sqlalchemy.ext.asyncio", "sqlalchemy.orm", "typer", "xml.etree.ElementTree",
)  # fmt: skip
TYPING_ONLY = re.compile(r"^if TYPE_CHECKING:\n(?:    .*\n|\n)*", re.MULTILINE)
ROOT = Path(__file__).parents[2]


def process(*parts: str, **environment: str) -> dict[str, Any]:
    """Run it all in a new interpreter; what it tells."""
    code = "\n".join([MODELS, *parts])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """aiogram imported as it is; then our load, which must not touch it."""
    return once(tmp_path_factory, "plain-aiogram", lambda _: process(
        READ,
        "nothing = memory()",
        "import aiogram",
        "used, first = memory() - nothing, built()",
        "before = {kind: kind.__pydantic_core_schema__ for kind in models()}",
        "from bot.telegram.client import fast_import",
        "on_demand = fast_import.load()",
        "changed = [kind.__name__ for kind in models() if kind.__pydantic_core_schema__ is not before[kind]]",
        "tell(memory=used, built=first, read=read(), on_demand=on_demand, changed=changed)",
    ))  # fmt: skip


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """aiogram loaded on demand: what each step costs and leaves behind, one after the other."""
    return once(tmp_path_factory, "our-aiogram", lambda _: process(
        READ,
        "nothing = memory()",
        "before = BaseModel.__dict__['model_rebuild']",
        "from bot.telegram.client import fast_import",
        "used, few = memory() - nothing, built()",
        "from aiogram.types import Update",
        "from aiogram.methods import SendMessage, SendPoll",
        "first = [Update.__pydantic_complete__, SendPoll.__pydantic_complete__, SendMessage.__pydantic_complete__]",
        "sent = SendMessage(chat_id=1, text='hello', reply_markup={'inline_keyboard': [[{'text': 'a'}]]})",
        "words = sent.reply_markup.inline_keyboard[0][0].text",
        "then = [Update.__pydantic_complete__, SendPoll.__pydantic_complete__, SendMessage.__pydantic_complete__]",
        "import aiogram.types",
        "vocabulary = len(vars(sys.modules['aiogram.types.update']))",
        "again = fast_import.load()",
        "same = aiogram.types.Update is Update and len(vars(sys.modules['aiogram.types.update'])) == vocabulary",
        "tell(memory=used, few=few, first=first, then=then, words=words, again=again, same=same,",
        "     restored=BaseModel.__dict__['model_rebuild'] is before, read=read(), broken=broken(),",
        "     count=len(models()), built=built())",
    ))  # fmt: skip


def test_all_types_and_methods_work_after_the_load(ours: dict[str, Any]) -> None:
    assert ours["broken"] == []
    assert ours["built"] == ours["count"] > 500


def test_a_model_is_built_when_it_is_used_and_not_before(ours: dict[str, Any]) -> None:
    assert (ours["first"], ours["then"]) == ([False] * 3, [False, False, True])
    assert ours["words"] == "a"


def test_an_update_is_read_like_with_the_plain_import(plain: dict[str, Any], ours: dict[str, Any]) -> None:
    assert ours["read"] == plain["read"]


def test_the_load_takes_far_less_memory_than_the_plain_import(plain: dict[str, Any], ours: dict[str, Any]) -> None:
    assert ours["memory"] < 0.6 * plain["memory"]
    assert ours["few"] < 0.5 * plain["built"]


def test_loading_twice_changes_nothing(ours: dict[str, Any]) -> None:
    assert (ours["again"], ours["same"], ours["restored"]) == (True, True, True)


def test_an_aiogram_that_was_imported_before_is_left_as_it_is(plain: dict[str, Any]) -> None:
    assert plain["on_demand"] is False
    assert plain["changed"] == []


def test_a_bot_has_loaded_nothing_that_most_bots_never_use(loaded: Loaded) -> None:
    assert among(loaded.command, SELDOM) == []
    assert loaded.is_on_demand


def test_every_way_to_aiogram_leads_through_the_load() -> None:
    """The first import decides. The package `bot.telegram` loads aiogram before any of its modules is imported; in all
    other modules an import of it stands before those of aiogram.
    """
    first = re.compile(r"^\s*(?:import|from) (bot\.telegram|aiogram)", re.MULTILINE)
    at_run_time = {file: TYPING_ONLY.sub("", file.read_text()) for file in (ROOT / "bot").rglob("*.py")}
    found = {file: first.findall(text) for file, text in at_run_time.items() if "aiogram" in first.findall(text)}
    package = ROOT / "bot" / "telegram"
    assert len(found) > 5
    assert "import bot.telegram.client.fast_import" in at_run_time[package / "__init__.py"]
    assert [file for file, order in found.items() if package not in file.parents and order[0] != "bot.telegram"] == []


def test_an_aiogram_of_another_layout_is_imported_as_it_is_and_works() -> None:
    found = process(
        ANOTHER_LAYOUT,
        "before = BaseModel.__dict__['model_rebuild']",
        "from bot.telegram.client import fast_import",
        "tell(on_demand=fast_import.load(), broken=broken(), built=built(), count=len(models()),",
        "     restored=BaseModel.__dict__['model_rebuild'] is before)",
    )
    assert found["on_demand"] is False
    assert found["broken"] == []
    assert found["built"] == found["count"]
    assert found["restored"]
