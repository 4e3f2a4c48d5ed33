"""Old and new beside each other: no migration takes away what the release before it still uses (docs/deployment.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

import pytest

from bot.storage.maintenance import migrations
from tests.promises.deployment.conftest import ROOT

STEPS = sorted((ROOT / "migrations" / "versions").glob("0*_*.py"))
TAKES_AWAY = {"drop_column", "drop_table", "rename_table", "alter_column", "drop_constraint", "drop_table_comment"}
FORBIDS = {"create_unique_constraint", "create_check_constraint", "create_foreign_key", "create_primary_key"}
MARK = "CONTRACTS"
WRITES = re.compile(r'\b(?:INSERT INTO|DELETE FROM|UPDATE)\s+"?(\w+)"?(?:\s+SET\s(.*))?')
ASSIGNED = re.compile(r'"?(\w+)"?\s*=')


def taken_away(source: str) -> list[str]:
    """What a step takes away or asks for that an older process does not know, in its upgrade; [] if it says that it
    contracts.
    """
    tree = ast.parse(source)
    if oldest(source):
        return []
    (upgrade,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    calls = [node for node in ast.walk(upgrade) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    made = {node for call in calls if name(call) == "create_table" for node in ast.walk(call)}
    suspicious = TAKES_AWAY | FORBIDS | (set() if fills_what_it_adds(tree, calls) else {"execute"})
    found = [name(call) for call in calls if name(call) in suspicious and not loosens(call)]
    found += ["a unique index" for call in calls if keywords(call).get("unique") == "True"]
    return found + ["a column that must be filled" for call in calls if call not in made and must_be_filled(call)]


def oldest(source: str) -> str:
    """Whose code works after a step, by its own word; "" where it only adds."""
    found = {
        target.id: node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return str(ast.literal_eval(found[MARK])) if MARK in found else ""


def name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def keywords(call: ast.Call) -> dict[str, str]:
    return {word.arg: ast.unparse(word.value) for word in call.keywords if word.arg}


def loosens(call: ast.Call) -> bool:
    """A column that may be empty from now on disturbs nobody."""
    words = {word for word in keywords(call) if not word.startswith("existing_")}
    return name(call) == "alter_column" and words == {"nullable"} and keywords(call)["nullable"] == "True"


def fills_what_it_adds(tree: ast.Module, calls: Sequence[ast.Call]) -> bool:
    """Whether all statements of a step write to tables and columns that it adds itself: an older process knows none."""
    added = {first(call) for call in calls if name(call) == "create_table"}
    added |= {
        f"{first(call)}.{first(call.args[1])}" for call in calls if name(call) == "add_column" and len(call.args) > 1
    }
    statements = [
        found
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for found in WRITES.finditer(node.value)
    ]
    written = {
        place
        for found in statements
        for place in ([f"{found[1]}.{column}" for column in ASSIGNED.findall(found[2])] if found[2] else [found[1]])
    }
    return bool(written) and written <= added


def first(call: ast.expr) -> str:
    """The first argument of a call, if it is a text."""
    argument = call.args[0] if isinstance(call, ast.Call) and call.args else None
    return str(argument.value) if isinstance(argument, ast.Constant) else ""


def must_be_filled(call: ast.Call) -> bool:
    words = keywords(call)
    return name(call) == "Column" and words.get("nullable") == "False" and "server_default" not in words


def test_every_step_only_adds() -> None:
    """To one that fails here docs/deployment.md says how it is done."""
    found = {step.name: taken_away(step.read_text()) for step in STEPS[1:]}  # the first is where they begin
    assert {step: lost for step, lost in found.items() if lost} == {}


def test_a_database_says_whose_code_works_with_it() -> None:
    marks = {step.name.partition("_")[0]: oldest(step.read_text()) for step in STEPS}
    for revision, mark in marks.items():
        assert not mark or (mark in marks and mark <= revision), f"{revision}: {MARK} = {mark!r} is no revision"
    assert max(marks.values()) == migrations.OLDEST


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('op.add_column("updates", sa.Column("chat", sa.Text()))', []),
        ('op.add_column("updates", sa.Column("n", sa.Integer(), nullable=False, server_default="0"))', []),
        ('op.create_table("leases", sa.Column("key", sa.Text(), nullable=False))', []),
        ('op.drop_index("ix_updates_open", table_name="updates")', []),
        ('op.alter_column("updates", "chat", existing_type=sa.Text(), nullable=True)', []),
        ('op.add_column("updates", sa.Column("n", sa.Integer(), nullable=False))', ["a column that must be filled"]),
        ('op.drop_column("updates", "chat")', ["drop_column"]),
        ('op.alter_column("updates", "chat", nullable=False)', ["alter_column"]),
        ('op.alter_column("updates", "chat", new_column_name="key")', ["alter_column"]),
        ('op.drop_table("updates")', ["drop_table"]),
        ('op.create_index("ix_updates_at", "updates", ["at"], unique=False)', []),
        ('op.create_index("ix_updates_at", "updates", ["at"], unique=True)', ["a unique index"]),
        ('op.create_check_constraint("late", "updates", "at > 0")', ["create_check_constraint"]),
        ("op.execute(\"UPDATE updates SET chat = 'x'\")", ["execute"]),
        ("op.execute(chosen_elsewhere())", ["execute"]),
        ('op.add_column("a", sa.Column("n", sa.Text())); op.execute("UPDATE a SET n = 1")', []),
        ('op.add_column("a", sa.Column("n", sa.Text())); op.execute("UPDATE a SET n = 1, m = 2")', ["execute"]),
        ('op.create_table("new"); op.execute("INSERT INTO new SELECT 1 FROM old")', []),
        (
            'op.create_table("new"); op.execute("DELETE FROM old"); op.execute("INSERT INTO new SELECT 1")',
            ["execute"] * 2,
        ),
    ],
)
def test_a_step_that_takes_away_is_seen(line: str, found: list[str]) -> None:
    step = f"import sqlalchemy as sa\nfrom alembic import op\n\ndef upgrade() -> None:\n    {line}\n"
    assert taken_away(step) == found
    assert taken_away(f'{MARK} = "0007"\n{step}') == []
