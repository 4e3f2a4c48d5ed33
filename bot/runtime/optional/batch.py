"""What the running bot does for batch runs. Begin with `batch_watch`."""

from __future__ import annotations

from bot.runtime.optional.batch_watch import BatchWatch
from bot.runtime.parts import Given, People


def batch_watch(given: Given, people: People) -> BatchWatch:
    """Return what goes on with the batch runs of a bot, and tells its administrators how they have ended."""
    return BatchWatch(
        store=given.store,
        bot=given.api.id,
        settings=given.settings,
        http=given.process.http,
        studio=given.models.studio,
        admins=people.joining.admins,
        deliver=people.joining.deliver,
    )
