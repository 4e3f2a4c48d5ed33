"""What a bot consists of for its features: `Core`. A feature names the parts that it needs as its fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.access.policy import Access
from bot.billing.budget import Budget
from bot.billing.metering import Meter
from bot.config.settings import Settings
from bot.conversation.assistant import Assistant
from bot.ports import Transport
from bot.prompts.library import Library
from bot.storage.store import Store
from bot.types import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The parts of one bot, which live as long as it runs.

    `transport` serves the addresses of all messengers. `deliver` sends in the background what the outbox has for these
    addresses. `wake_jobs` is called after a job was added outside of a
    handler's transaction.
    """

    settings: Settings
    store: Store
    transport: Transport
    access: Access
    budget: Budget
    meter: Meter
    assistant: Assistant
    library: Library
    deliver: Callable[[str, Sequence[Address]], None]
    wake_jobs: Callable[[], None]
