"""What the page's tab Runs can do to AI Studio: turn it back to 2025, stop an instance, spoil batch runs and tunings.
Begin with `ServiceSwitches`.
"""

from __future__ import annotations

from typing import Any, cast, get_args

from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.ai_studio.validation import SCOPES, InstanceState
from bot.sandbox.faults import Lasting
from bot.sandbox.trials import INSTANCE, Trials

LAG = 30.0  # seconds for which a list does not show what is new
NONE = "none"
OF_2025, NO_ART, STUCK, NO_SCOPE = "of_2025", "no_yandex_art", "stuck_pictures", "no_picture_scope"
ART = "yandex-art"
PICTURES = "yc.ai.imageGeneration.execute"


class ServiceSwitches:
    """The sandbox's AI Studio of 2025 or of today, its dedicated instance, and the lasting failures of pictures,
    datasets, runs and tunings.

    `trials` restarts the bot with settings for the instance, or without.
    """

    def __init__(self, studio: Studio, trials: Trials) -> None:
        self._studio = studio
        self._trials = trials

    def state(self) -> dict[str, Any]:
        """What the page shows: `instance` (its state, "none" while the bot has none), and whether each switch of
        `studio` and of `faults` is on; no `faults` where the extra `batch` is not installed.
        """
        access, faults = self._studio.access, self._studio.batch_faults
        found: dict[str, Any] = {
            "instance": access.instances.get(INSTANCE, NONE),
            "studio": {
                OF_2025: "gpt-oss-120b" in access.models,
                NO_ART: ART not in access.models,
                STUCK: self._studio.art.is_stuck,
                NO_SCOPE: PICTURES not in access.scopes,
            },
            "faults": {},
        }
        if faults is not None:
            lasting = {name: name in faults.lasting for name in get_args(Lasting)}
            found["faults"] = {**lasting, "list_lag": faults.list_lag > 0}
        return found

    async def change(self, instance: str = "", fault: str = "", on: bool = True) -> dict[str, Any]:
        """Bring the instance into a state ("none": the bot has none any more), or switch a failure on or off. Returns
        the new `state`. Raises `ValueError` for an unknown one.
        """
        if instance:
            await self._bring(instance)
        if fault:
            self._switch(fault, on=on)
        return self.state()

    async def _bring(self, wanted: str) -> None:
        known = (NONE, *get_args(InstanceState))
        if wanted not in known:
            raise ValueError(f"there is no state {wanted!r} of an instance; known: {', '.join(known)}")
        instances = self._studio.access.instances
        had = INSTANCE in instances
        if wanted == NONE:
            instances.pop(INSTANCE, None)
        else:
            instances[INSTANCE] = cast(InstanceState, wanted)
        if had != (wanted != NONE):
            await self._trials.change({"instance": int(wanted != NONE)})

    def _switch(self, name: str, *, on: bool) -> None:
        access = self._studio.access
        if name == OF_2025:
            access.serve("2025" if on else "today")
        elif name == NO_ART:
            access.models = access.models - {ART} if on else access.models | {ART}
        elif name == STUCK:
            self._studio.art.is_stuck = on
        elif name == NO_SCOPE:
            access.scopes = {*SCOPES} - ({PICTURES} if on else set())
        else:
            self._spoil(name, on=on)

    def _spoil(self, name: str, *, on: bool) -> None:
        faults = self._studio.batch_faults
        if faults is None:
            raise ValueError("batch runs need the extra: pip install govorun[batch]")
        if name == "list_lag":
            faults.list_lag = LAG if on else 0.0
        else:
            faults.switch(cast(Lasting, name), on=on)
