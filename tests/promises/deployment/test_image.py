"""The image: what its instructions name is there, and it runs as nobody on a root that can't be written (T5)."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.promises.deployment.conftest import DEPLOY, ROOT, Program
from tests.promises.deployment.names import readable, unknown

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def instructions() -> Iterator[tuple[str, str]]:
    """Each instruction with its words, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    for line in joined.splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


STEPS = list(instructions())
LIVES = """
import http.client, sys, time
for _ in range(60):
    time.sleep(0.5)
    asked = http.client.HTTPConnection("127.0.0.1", 8080)
    try:
        asked.request("GET", "/livez")
    except OSError:
        continue
    sys.exit(asked.getresponse().status != 200)
sys.exit(1)
"""
ENVIRONMENT = dict(pair.split("=", 1) for word, rest in STEPS if word == "ENV" for pair in shlex.split(rest))


def test_hadolint_finds_nothing() -> None:
    Program("hadolint").accepts(str(DEPLOY / "Dockerfile"))


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*", "everything is left out that is not named"
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        source
        for word, rest in STEPS
        if word == "COPY" and "--from" not in rest
        for source in shlex.split(rest)[:-1]
    }  # fmt: skip
    assert {source for source in copied if not (ROOT / source).exists()} == set()
    assert copied == let_in


def test_nothing_secret_is_let_in() -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for secret in (".env", "govorun.db", ".git", ".secrets.txt", "prompts"):
        assert not any(fnmatch(secret, pattern) for pattern in let_in)


def test_every_variable_is_a_setting_with_a_good_value() -> None:
    assert {"DATABASE_URL", "HEALTH_PORT", "WEBHOOK_HOST"} <= set(ENVIRONMENT)
    builders = {name for name in ENVIRONMENT if name.startswith("UV_")}
    assert unknown(ENVIRONMENT) == builders
    readable({name: value for name, value in ENVIRONMENT.items() if name not in builders})


def test_the_extras_that_are_left_out_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    left_out = set(re.findall(r"--no-extra (\S+)", DOCKERFILE))
    assert left_out == {"local", "testing"}
    assert left_out <= set(project["optional-dependencies"])
    assert "govorun" in project["scripts"]
    oldest = tuple(map(int, project["requires-python"].removeprefix(">=").split(".")))
    used = re.match(r"BASE=python:(\d+)\.(\d+)-slim", dict(STEPS)["ARG"])
    assert used
    assert tuple(map(int, used.groups())) >= oldest


def test_what_installs_and_builds_it_is_known_by_its_hashes() -> None:
    for file in ("uv.txt", "hatchling.txt"):
        wanted = re.sub(r"^#.*\n", "", (DEPLOY / file).read_text(), flags=re.MULTILINE)
        assert re.fullmatch(r"(?:[\w-]+==[\d.]+(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n)+", wanted)
    assert "--require-hashes --requirement uv.txt" in DOCKERFILE
    assert "uv build --wheel --build-constraints hatchling.txt --require-hashes" in DOCKERFILE
    assert "--require-hashes --requirement deploy/uv.txt" in (ROOT / "Makefile").read_text()


def test_it_runs_as_nobody_and_hears_the_signal() -> None:
    steps = dict(STEPS)
    assert steps["USER"] == "10001:10001", "by number: Kubernetes can't know that a name is not root"
    python, isolated, init, command = json.loads(steps["ENTRYPOINT"])  # no shell between a signal and the bot
    assert (python, isolated, command) == ("python", "-I", "govorun"), "what lies in /data is not imported"
    assert ("COPY", f"deploy/container_init.py {init.removesuffix('container_init.py')}") in STEPS
    assert json.loads(steps["CMD"]) == ["run"]
    assert steps["VOLUME"] == steps["WORKDIR"] == "/data"
    assert set(steps["EXPOSE"].split()) == {ENVIRONMENT["HEALTH_PORT"], str(readable({}).webhook_port)}


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_says_what_the_bot_says(status: int, code: int) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    asked: list[str] = []
    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.handle_request).start()
    _, _, command = dict(STEPS)["HEALTHCHECK"].partition("CMD ")
    program, *arguments = json.loads(command)
    assert program == "python"
    port = str(server.server_address[1])
    # A proxy for the way out must not stand in the way to oneself.
    environment = {**os.environ, "HEALTH_PORT": port, "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, *arguments], env=environment, check=False, timeout=60)
    server.server_close()
    assert (done.returncode, asked) == (code, ["/healthz"])


def engine() -> str:
    """A container engine that works; "" where there is none."""
    for name in ("docker", "podman"):
        if shutil.which(name) and subprocess.run([name, "info"], capture_output=True, check=False).returncode == 0:
            return name
    return ""


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_it_is_built_and_runs_where_there_is_an_engine(tmp_path: Path) -> None:
    name = engine()
    if not name:
        pytest.skip("NO CONTAINER ENGINE: the image is linted, not built")

    def told(*arguments: str) -> str:
        done = subprocess.run([name, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    told("build", "--file", "deploy/Dockerfile", "--tag", "govorun:test", ".")
    hard = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--init")
    assert "schema" in told("run", "--rm", *hard, "govorun:test", "migrate")
    assert told("run", "--rm", *hard, "--entrypoint", "id", "govorun:test", "-u") == "10001"
    settings = ("TELEGRAM_API_URL=http://127.0.0.1:9", "BOT_TOKEN=123456:ABC-DEF", "YC_API_KEY=key", "YC_FOLDER_ID=b1g")
    away = [f"--env={setting}" for setting in settings]
    container = told("run", "--detach", *hard, *away, "govorun:test")
    try:
        told("exec", container, "python", "-c", LIVES)
        told("stop", "--time", "40", container)
        assert told("inspect", "--format", "{{.State.ExitCode}}", container) == "0"
    finally:
        told("rm", "--force", container)
