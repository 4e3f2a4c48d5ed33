"""The bot as deploy/ runs it: nothing but its folder can be written, and it has no rights, though it is root here."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.crew import free_port
from tests.promises.e2e.surroundings import ANNA, PATIENCE, ROOT, Process
from tests.promises.e2e.test_processes import is_up, services

pytestmark = pytest.mark.e2e

# $0 is the folder, the rest the command. The signals of this test reach it: each step takes the place of the last.
CLOSED = """
mount --make-rprivate / && mount --bind "$0" "$0" && mount -o remount,ro,bind / && cd "$0" &&
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""
UNSHARE = ("unshare", "--mount", "sh", "-c", CLOSED)


def can_be_closed_in(folder: Path) -> bool:
    if sys.platform != "linux" or not shutil.which("setpriv"):
        return False
    return subprocess.run([*UNSHARE, str(folder), "true"], capture_output=True, check=False).returncode == 0


def health_check() -> list[str]:
    """The command by which the image's health is asked for."""
    line = (ROOT / "deploy" / "Dockerfile").read_text().partition("HEALTHCHECK")[2].partition("CMD ")[2]
    command: list[str] = json.loads(line.partition("\n")[0])
    return command[1:]


async def ends_well(*arguments: str, **environment: str) -> bool:
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, env={**os.environ, **environment})
    return await process.wait() == 0


def must_be_closed_in(folder: Path) -> None:
    if not can_be_closed_in(folder):
        if os.environ.get("CI"):
            pytest.fail("root and setpriv are needed to close the bot in")
        pytest.skip("NOT ROOT: the bot can't be closed in")


async def test_it_answers_where_only_its_folder_can_be_written(tmp_path: Path) -> None:
    must_be_closed_in(tmp_path)
    program = f"import os, sys; os.execvp('unshare', [*{UNSHARE!r}, {str(tmp_path)!r}, *sys.argv[1:]])"
    port = str(free_port())
    closed = {"HEALTH_HOST": "0.0.0.0", "HEALTH_PORT": port, "PYTHONDONTWRITEBYTECODE": "1"}
    async with (
        services(**closed) as (telegram, studio, environment),
        Process.python("-c", program, sys.executable, "-m", "bot", "run", directory=tmp_path, **environment) as process,
    ):
        await is_up(telegram)
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
        mounts = [line.split() for line in Path(f"/proc/{process.pid}/mountinfo").read_text().splitlines()]
        assert {words[5].partition(",")[0] for words in mounts if words[4] == "/"} == {"ro"}
        studio.script(["All ", "is ", "well."])
        telegram.say(ANNA, "How are you?")
        await telegram.wait_for(lambda: telegram.texts(ANNA), PATIENCE)
        assert telegram.texts(ANNA) == ["All is well."]
        assert await ends_well(*health_check(), HEALTH_PORT=port)
        process.signal(signal.SIGTERM)
        code, _, err = await process.ended()
        assert (code, "Traceback" in err) == (0, False), err
    assert (tmp_path / "govorun.db").exists()


# --- as the systemd unit ----------------------------------------------------------------------------------------------

DESK = """
[hours]
mon-sun = ["00:00-23:59"]
"""


class Unit:
    """The surroundings of the unit: settings in a folder that can't be written, another one for all the rest."""

    def __init__(self, folder: Path) -> None:
        self.settings, self.state = folder / "etc", folder / "state"
        for path in (self.settings, self.state):
            path.mkdir()
        unit = (ROOT / "deploy" / "systemd" / "govorun.service").read_text()
        lines = [line.partition("=")[2] for line in unit.splitlines() if line.startswith("Environment=")]
        pairs = dict(pair.split("=", 1) for line in lines for pair in line.split())
        self.environment = {name: value.replace("/var/lib/govorun", str(self.state)) for name, value in pairs.items()}

    def program(self) -> list[str]:
        """What begins `python -m bot ...` in these surroundings."""
        inside = f'cd "{self.settings}" && export HOME="{self.state}" TMPDIR="{self.state}" && exec "$@"'
        closed = [*UNSHARE, str(self.state), "sh", "-c", inside, "sh"]
        return [
            "-c",
            f"import os, sys; os.execvp('unshare', [*{closed!r}, *sys.argv[1:]])",
            sys.executable,
            "-m",
            "bot",
        ]


def repository(folder: Path) -> str:
    """The address of a repository with one article."""
    found = folder / "manual.git"
    found.mkdir()
    (found / "returns.md").write_text("# Returns\n\nGoods are taken back within 21 days.\n")
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "Say how long goods are taken back"]):
        subprocess.run(["git", *words], cwd=found, check=True, capture_output=True)
    return found.as_uri()


async def test_a_file_and_a_repository_are_read_a_desk_opens_and_a_batch_runs_as_the_unit_does(tmp_path: Path) -> None:
    must_be_closed_in(tmp_path)
    unit, address = Unit(tmp_path), repository(tmp_path)
    (unit.settings / "desk.toml").write_text(DESK)
    (unit.settings / "questions.csv").write_text("question\nWhat is a lighthouse?\n")
    given = {"OWNERS": str(ANNA), "DESK": "desk.toml", "EMBEDDINGS": "off", "NAME_CHATS": "false"}
    async with services(**unit.environment | given | {"HEALTH_PORT": "0"}) as (telegram, _studio, environment):

        async def told(word: str) -> None:
            def there() -> bool:
                return any(word in text for text in telegram.texts(ANNA))

            await telegram.wait_for(there, PATIENCE)

        async with Process.python(*unit.program(), "run", directory=tmp_path, **environment) as process:
            await is_up(telegram)
            article = b"# Delivery\n\nParcels come within 3 days.\n"
            telegram.upload(ANNA, article, "document", name="delivery.md", caption="/kb add")
            await told("delivery")
            telegram.say(ANNA, f"/kb add {address}")
            await told("manual")
            telegram.say(ANNA, "/desk")
            await told("group")
            process.signal(signal.SIGTERM)
            code, _, err = await process.ended()
            assert (code, "Traceback" in err) == (0, False), err
        words = ("kb", "list"), ("batch", "run", "questions.csv", "--mode", "sync", "--yes")
        for arguments in words:
            async with Process.python(*unit.program(), *arguments, directory=tmp_path, **environment) as process:
                code, out, err = await process.ended()
                assert code == 0, out + err
        assert "1 answered" in out
    assert (unit.state / "knowledge" / "files").is_dir()
    assert sorted(path.name for path in unit.settings.iterdir()) == ["desk.toml", "questions.csv"]
