"""What the tab Runs does to AI Studio: an instance that is off, starting, on or not there, and failures by name."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.page_tabs import LAG, ServiceSwitches, Trials


async def test_the_bot_is_restarted_where_it_gets_or_loses_an_instance_and_only_there() -> None:
    studio, restarts = Studio(), list[Mapping[str, str]]()

    async def restart(settings: Mapping[str, str]) -> None:
        restarts.append(settings)

    switches = ServiceSwitches(studio, Trials(restart))
    quiet = {"of_2025": False, "no_yandex_art": False, "stuck_pictures": False, "no_picture_scope": False}
    assert switches.state() == {"instance": "none", "studio": quiet, "faults": {}}
    for state in ("off", "starting", "on"):
        assert (await switches.change(instance=state))["instance"] == state
        assert studio.access.instances == {"mine": state}
    assert [settings["MODEL"] for settings in restarts] == ["mine"]
    assert [row["name"] for row in json.loads(restarts[0]["MODELS"])] == ["mine", "yandexgpt", "lite"]
    await switches.change(instance="none")
    assert (studio.access.instances, restarts[1:]) == ({}, [{}])


async def test_failures_are_switched_by_their_names() -> None:
    studio = Studio()
    switches = ServiceSwitches(studio, Trials(lambda _: pytest.fail("no restart is needed")))
    with pytest.raises(ValueError, match=r"need the extra: pip install govorun\[batch\]"):
        await switches.change(fault="missing")
    faults = (await studio.start_grpc()).faults
    await switches.change(fault="missing")
    found = await switches.change(fault="list_lag")
    assert [name for name, on in found["faults"].items() if on] == ["missing", "list_lag"]
    assert set(faults.lasting) == {"missing"}
    assert faults.list_lag == LAG
    await switches.change(fault="missing", on=False)
    assert not faults.lasting
    with pytest.raises(ValueError, match="there is no failure 'gone'"):
        await switches.change(fault="gone")
    with pytest.raises(ValueError, match="there is no state 'gone' of an instance"):
        await switches.change(instance="gone")
    await studio.close()


async def test_the_service_can_be_that_of_2025_with_pictures_that_stay_undone_and_keys_without_a_scope() -> None:
    studio = Studio()
    switches = ServiceSwitches(studio, Trials(lambda _: pytest.fail("no restart is needed")))
    assert "gpt-oss-120b" not in studio.access.models
    found = [await switches.change(fault=name) for name in ("of_2025", "stuck_pictures", "no_picture_scope")]
    assert [name for name, on in found[-1]["studio"].items() if not on] == ["no_yandex_art"]
    assert {"gpt-oss-120b", "yandex-art"} <= studio.access.models
    await switches.change(fault="no_yandex_art")
    assert "yandex-art" not in studio.access.models
    assert (studio.art.is_stuck, "yc.ai.imageGeneration.execute" in studio.access.scopes) == (True, False)
    for name in ("of_2025", "no_yandex_art", "stuck_pictures", "no_picture_scope"):
        await switches.change(fault=name, on=False)
    assert set(switches.state()["studio"].values()) == {False}
