"""The systemd unit, as systemd's own tools see it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.config.entries import ENV_FILE
from bot.runtime.health.sd_notify import LONGEST_START
from tests.promises.deployment.conftest import DEPLOY, Program
from tests.promises.deployment.names import readable, unknown

pytestmark = pytest.mark.process  # systemd-analyze

UNIT = DEPLOY / "systemd" / "govorun.service"
LINES = [line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and not line.startswith("#")]


def one(name: str) -> str:
    (value,) = (value for key, value in LINES if key == name)
    return value


def test_systemd_understands_it(tmp_path: Path) -> None:
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace("/opt/govorun/bin/govorun", "/bin/true"))
    done = Program("systemd-analyze").run("verify", str(here))
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_finds_it_well_closed() -> None:
    Program("systemd-analyze").accepts("security", "--offline=true", "--threshold=15", str(UNIT))


def test_its_variables_are_settings() -> None:
    pairs = [pair.split("=", 1) for key, value in LINES if key == "Environment" for pair in value.split()]
    values = dict(pairs)
    assert unknown(values) == set()
    state = f"/var/lib/{one('StateDirectory')}/"
    assert readable(values).database_url.startswith(f"sqlite+aiosqlite:///{state}")


def test_it_begins_where_the_settings_are() -> None:
    assert f"{one('WorkingDirectory')}/{ENV_FILE}" in UNIT.read_text()


def test_it_waits_longer_than_answers_take_to_end() -> None:
    assert seconds("TimeoutStopSec") >= readable({}).shutdown_grace + 10


def seconds(name: str) -> int:
    found = re.fullmatch(r"(\d+)s", one(name))
    assert found
    return int(found[1])


def test_a_frozen_process_is_started_again() -> None:
    assert one("Type") == "notify"
    assert one("Restart") == "on-failure", "which a watchdog's end is"
    assert seconds("WatchdogSec") == 60
    assert seconds("TimeoutStartSec") > LONGEST_START
    assert one("LimitCORE") == "0", "the signal that ends it would leave keys and conversations on the disk"
