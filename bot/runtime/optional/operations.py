"""What takes minutes at AI Studio and is paid for by itself: pictures (/image) and deferred answers (/later)."""

from __future__ import annotations

from bot.conversation.assistant import Assistant
from bot.features.deferred_answers import DeferredAnswers, DeferredOperation
from bot.features.pictures.image_generation import ImageGeneration, ImageOperation, ImagePrice
from bot.features.pictures.models import PictureModels
from bot.features.pictures.prompt_improver import PromptImprover
from bot.runtime.parts import Given, Ground


def deferred_answers(given: Given, ground: Ground, assistant: Assistant) -> DeferredAnswers:
    """Return /later, with the asynchronous modes of the models."""
    store, models = given.store, given.models
    return DeferredAnswers(
        store=store,
        transport=ground.transport,
        assistant=assistant,
        operation=DeferredOperation(
            store=store,
            routing=models.routing,
            models=models.async_models,
            incidents=ground.incidents,
            budget=ground.people.budget,
            writer=assistant.writer,
            ownership=assistant.turn_start.ownership,
        ),
        wake_jobs=ground.wake_jobs,
        budget=ground.people.budget,
    )


def image_generation(given: Given, ground: Ground) -> ImageGeneration:
    """Return /image, with the model that draws, if there is one."""
    settings, store, models, budget = given.settings, given.store, given.models, ground.people.budget
    painter, price = _painter(given, ground), ImagePrice.from_settings(settings)
    improver = PromptImprover(store=store, routing=models.routing, budget=budget, mode=settings.image_improve)
    return ImageGeneration(
        store=store,
        transport=ground.transport,
        operation=ImageOperation(painter=painter, price=price, improver=improver),
        random=models.chance,
        wake_jobs=ground.wake_jobs,
        budget=budget,
    )


def _painter(given: Given, ground: Ground) -> PictureModels | None:
    if not given.models.images:
        return None
    people = ground.people.joining
    return PictureModels(
        models=given.models.images,
        store=given.store,
        bot=given.api.id,
        rights=people.rights,
        deliver=people.deliver,
    )
