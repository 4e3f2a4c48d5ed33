"""Rules for the code itself (T27, T28, T35): each rule sees what breaks it, and nothing of ours does."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from tests.promises.security.rules import imported, offences
from tests.support.source import parsed
from tests.support.table import table

BOT = Path(__file__).parents[3] / "bot"
MODULES = sorted(BOT.rglob("*.py"))
SPEAKERS = {
    "httpx": {"http/client.py", "http/transport.py", "providers/yandex/grpc/transport.py"},
    "aiohttp": {
        "app/program.py",  # the types of what is mounted in another server
        "features/program/caller_faults.py",  # which of its errors are the caller's
        "features/program/endpoints.py",  # answers of endpoints
        "http",
        "runtime/health/server.py",
        "runtime/health/prometheus.py",
        "sandbox",
        "telegram",
        "testing",
    },
    "urllib": {"http/transport.py", "providers/local/weights.py"},
    "httpx2": {"tools/mcp.py", "providers/local/weights.py"},
    "requests": set(),
    "websockets": set(),
    "socket": {
        "concurrency/child_pool.py",
        "http/guarded.py",
        "concurrency/child_process.py",
        "doctor",
        "http/listener.py",
        "runtime/health/sd_notify.py",
        "sandbox",
        "testing",
    },
    "http": {"sandbox"},
}
HARMLESS = ("urllib.parse", "http.HTTPStatus", "from http import HTTPStatus")


@table(
    ("source", "rule"),
    [
        ("import pickle", "runs foreign text"),
        ("from jinja2 import Template", "runs foreign text"),
        ("eval(text)", "runs foreign text"),
        ("subprocess.run(text, shell=True)", "runs foreign text"),
        ("answer.format(name=name)", "formats a variable"),
        ("texts[key].format_map(row)", "formats a variable"),
        ('text(f"SELECT * FROM chats WHERE id = {number}")', "makes a statement from pieces"),
        ('connection.execute("DELETE FROM " + table)', "makes a statement from pieces"),
        ('cursor.execute("SELECT %s" % name)', "makes a statement from pieces"),
        ('tx.execute("SELECT {}".format(name))', "makes a statement from pieces"),
        ("httpx.AsyncClient(verify=False)", "trusts any certificate"),
        ("context.check_hostname = False", "trusts any certificate"),
        ("check_hostname = False", "trusts any certificate"),
        ("context.verify_mode = ssl.CERT_NONE", "trusts any certificate"),
        ("session.get(url, ssl=False)", "trusts any certificate"),
        ("client.get(url, follow_redirects=True)", "follows redirects"),
    ],
)
def test_a_rule_sees_what_breaks_it(source: str, rule: str) -> None:
    assert f"{rule} in line 1" in offences(ast.parse(source))


@table(
    "source",
    [
        '"{} of {}".format(1, 2)',
        "TEXT.format(host=host)",
        'text("SELECT 1")',
        'text(f"PRAGMA cache_size({PAGES})")',
        "client.get(url, verify=True)",
    ],
)
def test_a_rule_leaves_the_harmless_alone(source: str) -> None:
    assert offences(ast.parse(source)) == []


@table("path", MODULES)
def test_no_module_breaks_a_rule(path: Path) -> None:
    found = offences(parsed(path))
    if path.is_relative_to(BOT / "sandbox"):  # it runs on one's own machine and writes its own templates
        found = [offence for offence in found if not offence.startswith("formats")]
    assert found == []


@cache
def imports() -> dict[Path, list[ast.Import | ast.ImportFrom]]:
    trees = {path: ast.walk(parsed(path)) for path in MODULES}
    return {path: [n for n in tree if isinstance(n, ast.Import | ast.ImportFrom)] for path, tree in trees.items()}


@table("library", SPEAKERS)
def test_only_a_few_modules_can_speak_to_the_network(library: str) -> None:
    """Whoever looks for what fetches addresses has to read these and no others (T24)."""
    speakers = {
        str(path.relative_to(BOT))
        for path, nodes in imports().items()
        for node in nodes
        if library in imported(node) and not any(harmless in ast.unparse(node) for harmless in HARMLESS)
    }
    strange = {name for name in speakers if not SPEAKERS[library] & {name, name.partition("/")[0]}}
    assert strange == set()


def test_only_the_telegram_side_knows_the_address_of_a_file() -> None:
    """It has the token in it (T3)."""
    knowing = {path for path in MODULES if "/file/bot" in path.read_text() or "file_path" in path.read_text()}
    assert {path.relative_to(BOT).parts[0] for path in knowing} <= {"telegram", "sandbox"}
