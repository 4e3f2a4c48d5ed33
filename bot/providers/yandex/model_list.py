"""Which models AI Studio offers a folder: `offered` asks the OpenAI-compatible API, the only one that has a list."""

from __future__ import annotations

from collections.abc import Sequence

from bot.clock import SystemClock
from bot.config.settings import Settings
from bot.errors import ConfigError, ModelProtocolError
from bot.http.client import Http
from bot.http.framing import mapping, objects
from bot.providers.error_mapping import refusal
from bot.providers.yandex.auth import credentials

PATIENCE = 20.0


async def offered(settings: Settings) -> Sequence[str] | None:
    """Return the URIs of all text models of the folder, sorted; None if no key is set. Raises `ModelError`s."""
    clock = SystemClock()
    async with Http(direct=[settings.yc_metadata_addr]) as http:
        try:
            headers = await credentials(settings, http, clock).headers()
        except ConfigError:
            if settings.yc_service_account_key_file:
                raise
            return None
        headers["openai-project"] = settings.yc_folder_id
        answer = await http.ask("GET", f"{settings.yc_openai_url}/models", headers=headers, total=PATIENCE)
    if answer.status != 200:
        raise refusal(answer.status, answer.body, trace=answer.headers.get("x-server-trace-id", ""))
    rows = mapping(answer.json()).get("data")
    if not isinstance(rows, list):
        raise ModelProtocolError("there are no models in the list of models")
    ids = (row.get("id") for row in objects(rows))
    return sorted(id for id in ids if isinstance(id, str) and id.startswith("gpt://"))
