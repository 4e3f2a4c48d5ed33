"""Tells another program of the company, such as a CRM, what happens to cases: one signed POST an event.

The event is a job in the commit that changes the case, so a kill loses none; an event may come twice, with the `id` it
had before. The body is JSON, and `X-Govorun-Signature-256` is `sha256=` with the HMAC-SHA256 of the body, written as in
the webhooks of GitHub (docs.github.com, "Validating webhook deliveries").
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from dataclasses import dataclass

from pydantic import SecretStr

from bot.desk.desk import HOOK, Desk
from bot.errors import ModelError, ModelUnavailable
from bot.handlers import Handlers
from bot.http.client import Http
from bot.storage.store import Store
from bot.types import Job

log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds for the answer
MOST_TRIES = 100  # with the pauses of the job worker: about six hours
SIGNATURE = "x-govorun-signature-256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Sends the events of the desk to the address in `[hook]` of desk.toml, signed with `secret`."""

    store: Store
    desk: Desk
    http: Http
    secret: SecretStr

    def feature(self) -> Handlers:
        """Return the feature: the job that sends an event."""
        return Handlers(jobs={HOOK: self.run})

    async def run(self, job: Job) -> None:
        """The job: send an event, and send it again later while the other program does not take it."""
        problem = await self._post(job) if self.desk.table.hook.url else ""
        if problem and job.attempts + 1 < MOST_TRIES:
            raise ModelUnavailable(f"the webhook of the desk did not take event {job.key}: {problem}")
        if problem:
            log.error("the webhook of the desk did not take event %s, which is lost: %s", job.key, problem)
        await self.store.write(lambda tx: tx.jobs.delete_done(job))

    async def _post(self, job: Job) -> str:
        """Send an event. Returns why it was not taken, "" if it was."""
        secret = self.secret.get_secret_value().encode()
        if not secret:
            return "the setting DESK_HOOK_SECRET is empty"
        body = json.dumps(job.payload, ensure_ascii=False).encode()
        signed = hmac.new(secret, body, hashlib.sha256).hexdigest()
        try:
            answer = await self.http.ask(
                "POST", self.desk.table.hook.url, body, headers={SIGNATURE: f"sha256={signed}"}, total=PATIENCE
            )
        except ModelError as error:
            return str(error) or type(error).__name__
        return "" if answer.status < 300 else f"it answers with the status {answer.status}"
