"""What can be said about the chat page by reading its files, without a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from bot.batch import vendor_runner
from bot.batch.tuning import OVER as TUNED
from bot.batch.vendor import values
from bot.batch.vendor_runner import STEPS
from bot.sandbox.ai_studio.validation import InstanceState
from bot.sandbox.faults import Lasting
from bot.sandbox.page_tabs import NO_ART, NO_SCOPE, NONE, OF_2025, STUCK
from bot.storage.tables import batch
from bot.storage.tables.batch import OVER
from tests.support.table import table

PAGE = Path(__file__).parents[3] / "bot" / "sandbox" / "page"
FILES = sorted(PAGE.iterdir())
MODULES = sorted(PAGE.glob("*.js"))
STYLES = sorted(PAGE.glob("*.css"))
STATES = [Path(module.__file__ or "") for module in (vendor_runner, values, batch)]
NAMESPACE = "http://www.w3.org/2000/svg"


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def documented() -> set[str]:
    """The hooks that main.js promises to tests; what varies is <...>."""
    comment = read(PAGE / "main.js").split("Hooks for tests", 1)[1].split("*/", 1)[0]
    listed = re.sub(r"\((?:data-|data)[^)]*\)", "", comment.split("\n", 1)[1])
    words = re.sub(r"<[^>]*>", lambda found: found[0].replace(" ", "_").replace(",", ""), listed.replace("*", " "))
    return {word for word in re.split(r"[,\s]+", words) if word}


def pattern(hook: str) -> str:
    """How the source writes a hook: a template has `${...}` where the hook has <...>."""
    return r"[^\"'`\s]*".join(re.escape(part) for part in re.split(r"<[^>]*>", hook))


def test_every_documented_hook_is_set_by_the_page() -> None:
    sources = "\n".join(read(path) for path in [*MODULES, PAGE / "index.html"] if path.name != "main.js")
    # What stands in one quoted place, templates with their expressions removed.
    quoted = set(re.findall(r'"([^"\n]+)"', sources))
    quoted |= {re.sub(r"\$\{(?:[^{}]|\{[^}]*\})*\}", "X", found) for found in re.findall(r"`([^`\n]+)`", sources)}
    built = {"bot-kill": "kill", "bot-stop": "stop", "bot-start": "start", "bot-restart": "restart"}
    built |= {
        "model-scripted": "scripted",
        "model-local": "local",
        "model-url": "url",
        "lane-<update|call|model>": "lane-X",
        "fault-<telegram|model>-<name>-switch": "X-switch",
        "try-<closed|search|budget|confirm>-switch": "X-switch",
        **dict.fromkeys(("search-up", "search-down", "search-close"), "search-X"),
    }
    missing = [
        hook for hook in documented() if not any(re.fullmatch(pattern(built.get(hook, hook)), one) for one in quoted)
    ]
    assert len(documented()) > 80
    assert missing == []


def test_every_hook_of_the_html_is_documented() -> None:
    in_html = set(re.findall(r'data-testid="([^"]+)"', read(PAGE / "index.html")))
    assert in_html - documented() == set()


def test_every_button_of_the_html_has_a_name() -> None:
    buttons = re.findall(r"<button.*?</button>", read(PAGE / "index.html"))
    assert len(buttons) > 10
    assert [button for button in buttons if not re.search(r'data-t(-title)?="', button)] == []


@table("path", FILES)
def test_nothing_is_fetched_from_elsewhere(path: Path) -> None:
    addresses = set(re.findall(r"(?:https?:)?//[A-Za-z0-9][\w.-]*\.[a-z]{2,}[^\s\"'`)]*", read(path)))
    assert addresses - {NAMESPACE} == set()


@table("path", MODULES)
def test_data_never_becomes_markup(path: Path) -> None:
    source = re.sub(r"/\*.*?\*/", "", read(path), flags=re.DOTALL)
    found = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc", source)
    assert found == []


@table("path", MODULES)
def test_a_module_is_strict_short_and_imports_what_exists(path: Path) -> None:
    source = read(path)
    assert source.startswith('"use strict";\n')
    assert source.count("\n") <= 400
    for names, target in re.findall(r"^import \{([^}]+)\} from \"\./([\w-]+\.js)\";$", source, re.MULTILINE):
        exported = set(
            re.findall(r"^export (?:async )?(?:function|const|let|class) (\w+)", read(PAGE / target), re.MULTILINE)
        )
        assert {name.strip() for name in names.split(",")} <= exported, target


@table("path", STYLES)
def test_a_style_closes_what_it_opens(path: Path) -> None:
    source = read(path)
    assert source.count("{") == source.count("}")
    assert "@import" not in source


def test_every_word_exists_in_both_languages_and_is_used() -> None:
    more = "".join(read(path) for path in sorted(PAGE.glob("words-*.js")))
    words = read(PAGE / "words.js").split("const COLUMN", 1)[0] + more
    known = set(re.findall(r"^  (\w+): \[", words, re.MULTILINE))
    sources = "\n".join(read(path) for path in [*MODULES, PAGE / "index.html"] if not path.name.startswith("words"))
    asked = set(re.findall(r"\bt\(\"(\w+)\"", sources)) | set(re.findall(r'data-t(?:-title|-label)?="(\w+)"', sources))
    assert asked - known == set()
    quoted = set(re.findall(r'"(\w+)"', sources + read(PAGE / "words.js").split("const COLUMN", 1)[1]))
    built = {f"{key}{end}" for key in quoted for end in ("Note", "Title", "Do", "On")} | {
        "telegramFaults",
        "modelFaults",
    }
    states = set(re.findall(r"\w+", "".join(read(path) for path in STATES)))
    built |= {f"run_{state}" for state in states} | {f"eval_{name}" for name in quoted}
    assert {f"run_{state}" for state in (*STEPS, *OVER, *TUNED)} - known == set()
    switches = {f"batch_{name}" for name in (*get_args(Lasting), "list_lag", OF_2025, NO_ART, STUCK, NO_SCOPE)}
    switches |= {f"instance_{state}{end}" for state in (NONE, *get_args(InstanceState)) for end in ("", "Done")}
    assert switches - known == set()
    built |= switches
    assert known - quoted - built == set()
    columns = re.findall(r'^  (\w+): \[\s*"([^"]+)",\s*"([^"]+)",?\s*\]', words, re.MULTILINE)
    assert len(columns) == len(known)
    same = {key for key, _, russian in columns if not re.search("[а-яё]", russian, re.IGNORECASE)}
    assert same == {"telegramFaults", "money", "sayUsage", "sayMembers", "sayInvite", "sayAudit"}
    for key, english, russian in columns:
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", russian)), key


@pytest.mark.process
@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to parse JavaScript")
@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_parses(path: Path) -> None:
    node = shutil.which("node") or "node"
    command = [node, "--check", "--input-type=module", "-"]
    done = subprocess.run(command, input=read(path), text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
