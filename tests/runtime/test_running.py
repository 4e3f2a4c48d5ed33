"""The process: what it shows from outside while it runs, and how it ends."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from pathlib import Path

import aiohttp
import pytest

from bench.crew import free_port
from bot.config.multi_bot import Plan
from bot.config.settings import load
from bot.errors import ConfigError
from bot.ports import ProcessRole
from bot.runtime import main
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.server_facade import Telegram
from tests.cli.test_cli import BARE
from tests.support.forked import Forked

SERVER = "postgresql://anna@db/govorun"
START = 60.0  # seconds that a start may take on a machine that is busy with other tests


async def ready(address: str) -> str:
    """Wait until the bot is. Returns its metrics."""
    async with asyncio.timeout(START), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{address}/readyz") as response:
                    if response.status == 200:
                        break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
        async with session.get(f"{address}/metrics") as response:
            return await response.text()


def test_t2_a_defect_that_ends_the_bot_goes_into_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = load(
        _env_file=None, bot_token="4200000042:AAsandboxSandboxSandboxSandboxSandbox1", yc_api_key="key",
        yc_folder_id="b1g", database_url=f"sqlite+aiosqlite:///{tmp_path}/x.db",
    ).model_copy(update={"health_port": 1, "health_host": 5})  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main.run(Plan(found, {"": found}), lambda: pytest.fail("nobody sent SIGHUP"))
    assert ended.value.code == main.DEFECT
    (told,) = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert told.exc_info


@pytest.mark.parametrize(
    ("role", "settings", "says"),
    [
        (
            ProcessRole.WORKER,
            {"database_url": "sqlite+aiosqlite:///bot.db"},
            "--role worker: several processes need PostgreSQL",
        ),
        (ProcessRole.WEBHOOK, {"database_url": SERVER}, "--role webhook: WEBHOOK_URL is empty"),
        (
            ProcessRole.WEBHOOK,
            {"database_url": SERVER, "webhook_url": "https://bot.example"},
            "WEBHOOK_SECRET is empty",
        ),
        (ProcessRole.ALL, {"database_url": SERVER, "webhook_url": "https://bot.example"}, "WEBHOOK_SECRET is empty"),
    ],
)
async def test_a_role_that_the_settings_do_not_allow_is_refused_in_one_line(
    role: ProcessRole, settings: dict[str, str], says: str
) -> None:
    found = load(_env_file=None, **settings)
    with pytest.raises(ConfigError, match=says) as refused:
        await main.serve(Plan(found, {"": found}), lambda: pytest.fail("nobody sent SIGHUP"), role=role)
    assert "\n" not in str(refused.value)


@pytest.mark.e2e
async def test_a_running_bot_can_be_watched_and_logs_json(tmp_path: Path, template: Path) -> None:
    shutil.copy(template, tmp_path / "govorun.db")
    telegram, studio, port = Telegram(), Studio(), free_port()
    url, _ = await telegram.start(), await studio.start()
    settings = {name.upper(): value for name, value in studio.settings().items()}
    given = {"BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": url, "OWNERS": "1001", "LOG_FORMAT": "json"}
    environment = {**BARE, **settings, **given, "HEALTH_PORT": str(port)}
    try:
        async with Forked.running(
            "-m", "bot", "run", directory=tmp_path, environment=environment, stderr=asyncio.subprocess.PIPE
        ) as process:
            metrics = await ready(f"http://127.0.0.1:{port}")
            process.send_signal(signal.SIGTERM)
            _, log = await process.communicate()
    finally:
        await studio.close()
        await telegram.close()
    assert process.returncode == 0
    busy = [line for line in metrics.splitlines() if line.startswith("govorun_loop_busy_seconds_total")]
    assert float(busy[0].split()[1]) > 0  # the loop of the process is the one that is watched
    rows = [json.loads(line) for line in log.decode().splitlines()]
    assert any(f"health: http://127.0.0.1:{port}" in row["message"] for row in rows)
