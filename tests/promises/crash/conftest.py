"""The fork server and what else the worlds of these tests are made from."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.promises.crash.world import Nursery
from tests.support.child import PYTHONPATH

ROOT = Path(__file__).parents[3]


@contextmanager
def forking(directory: Path) -> Iterator[Path]:
    """The socket of a fork server that lives as long as the block."""
    socket = directory / "socket"
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    command = [sys.executable, "-m", "tests.promises.crash.forkserver", str(socket)]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) as server:
        until = time.monotonic() + 120
        while not socket.exists() and time.monotonic() < until:
            assert server.poll() is None
            time.sleep(0.02)
        yield socket
        assert server.stdin is not None
        server.stdin.close()


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with forking(tmp_path_factory.mktemp("fork")) as socket:
        yield socket


@pytest.fixture
def nursery(fork_server: Path, template: Path, tmp_path: Path) -> Nursery:
    return Nursery(fork_server, template, tmp_path)
