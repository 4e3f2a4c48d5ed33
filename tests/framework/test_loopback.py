"""The tests themselves reach nothing beyond this machine, whatever the code tries."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys

import pytest

from tests.support.child import PYTHONPATH
from tests.support.loopback import sitecustomize as loopback

SAYS = "tests reach nothing beyond loopback"
FOREIGN = "192.0.2.1"  # an address of nobody (RFC 5737)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "localhost", "a.localhost", ""])
def test_this_machine_is_reached(host: str) -> None:
    assert loopback.is_local(host)


@pytest.mark.parametrize("host", [FOREIGN, "api.telegram.org", "localhost.example", "::ffff:192.0.2.1", "10.0.0.1"])
def test_every_other_one_is_not(host: str) -> None:
    assert not loopback.is_local(host)


async def test_a_connection_a_datagram_and_a_look_up_fail_and_are_remembered() -> None:
    with pytest.raises(OSError, match=SAYS):
        await asyncio.open_connection(FOREIGN, 80)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, pytest.raises(OSError, match=SAYS):
        datagrams.sendto(b"", (FOREIGN, 53))
    with pytest.raises(OSError, match=SAYS):
        await asyncio.get_running_loop().getaddrinfo("api.telegram.org", 443)
    assert loopback.tries == [
        f"socket.connect {FOREIGN}", f"socket.sendto {FOREIGN}", "socket.getaddrinfo api.telegram.org"
    ]  # fmt: skip
    loopback.tries.clear()


def test_a_name_that_leads_nowhere_is_simply_not_known() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("proxy.example", 80)
    assert loopback.tries == []


@pytest.mark.process
def test_a_process_that_a_test_starts_is_kept_here_too() -> None:
    code = f"import socket; socket.create_connection(({FOREIGN!r}, 80))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": PYTHONPATH}, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert SAYS in done.stderr.decode()
