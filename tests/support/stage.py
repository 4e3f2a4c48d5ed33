"""The stage of the test kit, under the name that our own tests use."""

from __future__ import annotations

from bot.testing.stage import ANNA, BORIS, CODE, PATIENCE, TEAM, Stage, opened

__all__ = ["ANNA", "BORIS", "CODE", "PATIENCE", "TEAM", "Stage", "opened"]
