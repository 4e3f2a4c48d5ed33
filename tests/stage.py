"""The stage that `bot.testing` gives to all who build on Govorun, under the name that the tests here know."""

from __future__ import annotations

from bot.testing.stage import ANNA, BORIS, PATIENCE, TEAM, Stage, opened

__all__ = ["ANNA", "BORIS", "PATIENCE", "TEAM", "Stage", "opened"]
