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


async def test_it_answers_where_only_its_folder_can_be_written(tmp_path: Path) -> None:
    if not can_be_closed_in(tmp_path):
        if os.environ.get("CI"):
            pytest.fail("root and setpriv are needed to close the bot in")
        pytest.skip("NOT ROOT: the bot can't be closed in")
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
