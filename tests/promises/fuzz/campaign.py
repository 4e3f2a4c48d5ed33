"""A campaign of hostile updates against the whole bot, and what is judged afterwards. Begin with `Campaign.run`.

Updates go the real way (polling, or the webhook) in rounds; each round hides one canary among them, an ordinary
question of somebody who has nothing to do with it all. What counts is what people and the operator see: canaries are
answered once and in order, nobody who is nobody gets an answer, settings of others stay, logs say nothing they should
not, every update is accounted for.
"""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from pydantic import SecretStr

from bench.crew import free_port
from bot.sandbox.telegram.server_facade import Telegram, buttons_of
from bot.telegram.receiving.parsing import once
from bot.telegram.receiving.webhook_server import LARGEST_BODY
from tests.promises.fuzz.hostile import WORD, Cast, Forge, deep
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows, soon
from tests.support.virtual import VirtualClock

STRANGERS = (1003, 20_001, 20_002, 20_003)
SILENT = (6001, 6002)
ROUND = 40
BREATH = 30.0  # virtual seconds between canaries
HEADER = "X-Telegram-Bot-Api-Secret-Token"


@dataclass(slots=True)
class Report:
    """What came of a campaign. `wrong` is empty when all is well."""

    seed: int
    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    canaries: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        seen = ", ".join(f"{name} {count}" for name, count in sorted(self.outcomes.items()))
        answers = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        head = f"seed {self.seed}: {self.sent} hostile updates, {self.canaries} canaries; rows: {seen}"
        return "\n".join([head + (f"; webhook: {answers}" if answers else ""), *self.wrong])


class Ear(logging.Handler):
    """Hears everything that is logged and keeps what must not be."""

    def __init__(self, secrets: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self.secrets = secrets
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = logging.Formatter("%(levelname)s %(name)s: %(message)s").format(record)
        ours = record.name.startswith("bot.")
        if any(secret in line for secret in self.secrets) or (WORD in line and (ours or record.levelno >= 20)):
            self.heard.append(f"told in the log: {line[:300]}")
        elif record.levelno >= logging.ERROR:
            self.heard.append(f"an error in the log: {line[:2000]}")


@dataclass(slots=True)
class Campaign:
    stage: Stage
    seed: int
    count: int
    hook: str = ""  # the address of the bot's webhook; "" polls
    secret: str = ""
    chance: random.Random = field(init=False)
    report: Report = field(init=False)
    _sent: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.report = Report(self.seed)

    async def run(self) -> Report:
        """Send `count` updates to a bot that is running, stop it, start it again, and judge."""
        stage, report = self.stage, self.report
        ear = Ear([stage.telegram.token.partition(":")[2], *stage.settings.secrets()])
        logging.getLogger().addHandler(ear)
        try:
            forge = await self._prepare()
            choices = self._choices()
            while report.sent < self.count:
                await self._round(forge)
            await soon(stage, lambda: not self._open() or None)
            await stage.stop()
            await stage.start()
            await self._canary()
        except TimeoutError:
            open_ = rows(stage, "SELECT id, state, raw FROM updates WHERE state IN ('new', 'begun')")
            report.wrong.append(f"the bot is stuck at canary {report.canaries} with these open: {str(open_)[:3000]}")
            choices = self._choices()
        finally:
            logging.getLogger().removeHandler(ear)
        report.wrong += ear.heard
        if self._choices() != choices:
            report.wrong.append(f"settings have changed: {choices} -> {self._choices()}")
        self._judge()
        return report

    async def _prepare(self) -> Forge:
        stage = self.stage
        stage.studio.answer(_answer)
        for person in (*SILENT, *STRANGERS[1:]):
            stage.telegram.person("Somebody", "en", person)
        await stage.ask("/settings")
        await stage.ask("/model")
        keys = [
            button["callback_data"] for message in stage.telegram.transcript(ANNA) for button in buttons_of(message)
        ]
        return Forge(Cast(STRANGERS, TEAM, SILENT, ANNA, tuple(keys)), recorded(), self.chance)

    async def _round(self, forge: Forge) -> None:
        """Forty hostile updates with a canary somewhere in the middle."""
        updates = [forge.update() for _ in range(ROUND)]
        self.report.sent += ROUND
        place = self.chance.randrange(ROUND)
        await self._send(updates[:place])
        canary = self._say_canary()
        await self._send(updates[place:])
        if not self.hook and self.chance.random() < 0.3:
            self._serve_raw(forge)
        await self._answered(canary)
        await self.stage.clock.sleep(BREATH)

    async def _send(self, updates: list[dict[str, Any]]) -> None:
        if not self.hook:
            for update in updates:
                self._sent[self.stage.telegram.push_raw(update)] = once(update)
            return
        async with aiohttp.ClientSession() as session:
            for update in updates:
                number = self.stage.telegram.updates.next_id
                self.stage.telegram.updates.next_id += 1
                body = _bytes({"update_id": number, **update}, self.chance)
                for _ in range(self.chance.choice((1, 1, 1, 2))):
                    await self._post(session, body)

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> None:
        headers = {HEADER: self.secret, "Content-Type": "application/json"}
        async with session.post(self.hook, data=body, headers=headers) as response:
            self.report.statuses[response.status] += 1
            if response.status not in (200, 413 if len(body) > LARGEST_BODY else 400):
                self.report.wrong.append(f"the webhook answered {response.status} to {body[:200]!r}")

    def _serve_raw(self, forge: Forge) -> None:
        """The next poll gets a batch that no JSON library of Telegram's would write."""
        first = self.stage.telegram.updates.next_id
        self.stage.telegram.updates.next_id += 4
        update = {"update_id": first, **forge.update()}
        numbers: list[Any] = [2**63, -1, "7", None, True, 1.5, [], {}, 10**30]
        batch: list[Any] = [update, *({"update_id": number} for number in numbers), None, 5, "x", [], update]
        levels = self.chance.choice((500, 1500, 20_000))
        odd = [f'{{"update_id":{first + 1},"message":{"[" * levels}{"]" * levels}}}']
        odd += [f'{{"update_id":{first + 2},"message":{"9" * 5000}}}']
        body = f'{{"ok":true,"result":[{json.dumps(batch)[1:-1]},{",".join(odd)}]}}'
        self.stage.telegram.fail_next("getUpdates", code=200, body=body.encode())
        self._sent |= {first: once(update), first + 1: "", first + 2: ""}
        self.report.sent += 3

    # --- canaries -----------------------------------------------------------------------------------------------------

    async def _canary(self) -> None:
        await self._answered(self._say_canary())

    def _say_canary(self) -> int:
        self.report.canaries += 1
        self.stage.telegram.say(BORIS, f"canary {self.report.canaries}")
        return self.report.canaries

    async def _answered(self, canary: int) -> None:
        await soon(self.stage, lambda: len(self.stage.telegram.texts(BORIS)) >= canary or None)

    # --- judging ------------------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        stage, wrong = self.stage, self.report.wrong
        said = stage.telegram.texts(BORIS)
        if said != [f"here is canary {number}" for number in range(1, self.report.canaries + 1)]:
            wrong.append(f"canaries were answered with {said}")
        wrong += [f"an answer to nobody: {call.method} {call.params}" for call in stage.telegram.calls if
                  call.chat_id in SILENT and call.method.startswith(("send", "edit"))]  # fmt: skip
        if stage.telegram.pending:
            wrong.append(f"{stage.telegram.pending} updates were never confirmed")
        if stage._task is None or stage._task.done():
            wrong.append("the bot has ended")
        for state, reason, count in rows(stage, "SELECT state, reason != '', count(*) FROM updates GROUP BY 1, 2"):
            self.report.outcomes[state] += count
            if state not in ("done", "dead") or (state == "dead") != bool(reason):
                wrong.append(f"{count} rows are {state} {'with' if reason else 'without'} a reason")
        kept = {value for row in rows(stage, "SELECT update_id, once FROM updates") for value in row}
        lost = [number for number, name in self._sent.items() if number not in kept and name not in kept]
        if lost:
            wrong.append(f"updates without a row: {lost[:20]}")
        self.report.outcomes["answered"] = rows(stage, "SELECT count(*) FROM deliveries")[0][0]

    def _open(self) -> int:
        return int(rows(self.stage, "SELECT count(*) FROM updates WHERE state IN ('new', 'begun')")[0][0])

    def _choices(self) -> list[tuple[Any, ...]]:
        return rows(self.stage, f"SELECT language, model, streaming FROM chats WHERE id = {ANNA}")


def _answer(messages: list[dict[str, str]]) -> str:
    text = messages[-1]["text"]
    return f"here is {text}" if text.startswith("canary ") else "fine"


def _bytes(update: dict[str, Any], chance: random.Random) -> bytes:
    """As JSON; now and then too deep, or with its bytes damaged."""
    draw = chance.random()
    if draw < 0.03:
        update = {**update, "extra": deep(200)}
    body = json.dumps(update).encode()
    if draw > 0.93:
        at = chance.randrange(len(body))
        body = chance.choice((body[:at], body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :], body + b"}"))
    return body


def recorded() -> list[dict[str, Any]]:
    """One update of every kind that people cause in the sandbox."""
    telegram = Telegram(topics=True, clock=VirtualClock())  # a seed gives the same updates at any time
    telegram.updates.ask(["message", "edited_message", "callback_query", "my_chat_member", "message_reaction",
                          "stopped_message_generation"])  # fmt: skip
    first = telegram.say(STRANGERS[0], f"{WORD} hello")
    telegram.edit(STRANGERS[0], first["message_id"], f"{WORD} hello again")
    telegram.say(TEAM, f"@govorun_sandbox_bot {WORD}", STRANGERS[0])
    telegram.press(STRANGERS[0], first["message_id"], "data")
    telegram.react(STRANGERS[0], first["message_id"], "👍")
    telegram.stop(STRANGERS[0], 5)
    telegram.upload(STRANGERS[0], b"x" * 10, "document", caption=WORD, name="../../etc/passwd", mime="text/plain")
    telegram.topic(STRANGERS[0])
    telegram.block(STRANGERS[0])
    telegram.block(STRANGERS[0], False)
    return [item.body for item in telegram.updates.waiting()]


async def hooked(stage: Stage, seed: int, count: int) -> Campaign:
    """Start the bot with a webhook; the campaign goes through it."""
    port = free_port()
    url, secret = f"http://127.0.0.1:{port}/hook", "the-secret_of_7_tests"
    await stage.start(webhook_url=url, webhook_port=port, webhook_secret=SecretStr(secret))
    await soon(stage, lambda: stage.telegram.webhook.info()["url"])
    return Campaign(stage, seed, count, url, secret)
