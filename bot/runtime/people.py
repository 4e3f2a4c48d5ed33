"""Connects what is about people: who is let in, what each may do and spend, what is stored of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from bot.access.audit_log import AuditReport
from bot.access.directory import MemberDirectory
from bot.access.members import Members
from bot.access.onboarding import Onboarding
from bot.access.policy import Access
from bot.access.rights import Rights
from bot.billing import allowances
from bot.billing.allowances import Allowances
from bot.billing.budget import Budget
from bot.billing.metering import Meter
from bot.billing.pricing import PriceList
from bot.billing.usage import UsageReport
from bot.billing.who_am_i import WhoAmI
from bot.features.privacy import MorePersonalData, Privacy
from bot.handlers import Handlers
from bot.ports import Transport
from bot.prompts.library import Library
from bot.providers import catalog
from bot.runtime.knowledge import exported_quotes
from bot.runtime.models import instances
from bot.runtime.parts import Given, Ground, People
from bot.storage.tables.work import Operation


def people_of(given: Given, transport: Transport, library: Library) -> People:
    """The parts that know people: members, access, budgets, the meter of paid services."""
    settings, store = given.settings, given.store
    directory = MemberDirectory(store=store, bot=given.api.id)
    access = Access(settings.access == "open", frozenset(settings.owners), directory)
    budget = Budget.from_settings(settings, access, directory)
    joining = Onboarding(
        store=store,
        directory=directory,
        rights=Rights(access),
        transport=transport,
        tasks=given.placement.tasks,
        greeting=settings.greeting,
        library=library,
    )
    meter = Meter(store=store, budget=budget, tariffs=PriceList.from_settings(settings))
    return People(directory=directory, access=access, joining=joining, budget=budget, meter=meter)


def people_features(
    given: Given,
    ground: Ground,
    leave: Callable[[int, int], None],
    withdraw: Callable[[Operation], Awaitable[None]],
) -> Sequence[Handlers]:
    """Features about people: what they spend, what is stored of them, who is let in, and who may do what."""
    store, people, currency = given.store, ground.people, given.settings.currency
    people.joining.wake_jobs = ground.wake_jobs
    return [
        *_spending_features(given, people),
        Privacy(
            store=store,
            transport=ground.transport,
            wake_jobs=ground.wake_jobs,
            leave=leave,
            works_for=ground.lanes.works_for,
            withdraw=withdraw,
            more=MorePersonalData(
                exported_quotes(ground.knowledge, given.settings, people.access), given.added.program.data
            ),
        ).feature(),
        people.joining.feature(),
        Members(
            store=store,
            access=people.access,
            directory=people.directory,
            rights=people.joining.rights,
            link=ground.telegram.link,
            deliver=people.joining.deliver,
            wake_jobs=ground.wake_jobs,
        ).feature(),
        AuditReport(
            store=store, access=people.access, in_words={"allowance": partial(allowances.audited, currency)}
        ).feature(),
    ]


def _spending_features(given: Given, people: People) -> Sequence[Handlers]:
    """Features about what people spend."""
    settings, store, currency = given.settings, given.store, given.settings.currency
    titles = {entry.name: entry.title for entry in catalog.choices()}  # also of a model that is not offered
    titles |= {option.name: option.title for option in given.models.routing.options}
    return [
        UsageReport(
            store=store,
            access=people.access,
            budget=people.budget,
            currency=currency,
            titles=titles,
            instances=instances(settings),
        ).feature(),
        Allowances(
            store=store,
            access=people.access,
            directory=people.directory,
            budget=people.budget,
            currency=currency,
        ).feature(),
        WhoAmI(
            store=store,
            access=people.access,
            budget=people.budget,
            currency=currency,
            models=[option.title for option in given.models.routing.options],
        ).feature(),
    ]
