"""Values that the composition passes on: what `build` has opened (`Given`), and the parts that several
features share.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.access.directory import MemberDirectory
from bot.access.onboarding import Onboarding
from bot.access.policy import Access
from bot.billing.budget import Budget
from bot.billing.metering import Meter
from bot.config.settings import Settings
from bot.conversation.assistant import Assistant
from bot.dispatch.lanes import Lanes
from bot.extension import Extension
from bot.features.reminders import Reminders
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.documents import Documents
from bot.media.attachments import Attachments
from bot.media.voice import Voice
from bot.ports import Transport
from bot.prompts.library import Library
from bot.runtime.bot import Placement
from bot.runtime.models import Models
from bot.runtime.resources import SharedResources
from bot.storage.store import Store
from bot.telegram.client.api import Api
from bot.telegram.transport import Telegram
from bot.telemetry.incidents import IncidentLog

if TYPE_CHECKING:
    from bot.desk.desk import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What `build` has opened for a bot. `added` is what a programmer has added."""

    settings: Settings
    store: Store
    process: SharedResources
    api: Api
    models: Models
    added: Extension
    placement: Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The parts about people: the access policy (`access`), the part that lets people in (`joining`), and what people
    may spend.
    """

    directory: MemberDirectory
    access: Access
    joining: Onboarding
    budget: Budget
    meter: Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all features share. `added` is set when a job was added; `lanes` are the queues of this process.

    `transport` serves the addresses of all messengers, Telegram's among them. `knowledge` is None with KNOWLEDGE=off,
    `desk` without DESK.
    """

    telegram: Telegram
    transport: Transport
    people: People
    library: Library
    incidents: IncidentLog
    lanes: Lanes
    added: asyncio.Event
    knowledge: KnowledgeBase | None
    desk: Desk | None

    def wake_jobs(self) -> None:
        """Tell the job worker that a job was added."""
        self.added.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """The assistant, and the parts of it that features use directly."""

    assistant: Assistant
    documents: Documents
    voice: Voice
    reminders: Reminders
    attached: Attachments
