"""The base class of every group of settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SettingsGroup(BaseModel):
    """Fields that `Settings` inherits; a group alone reads no environment and is never made."""

    model_config = ConfigDict(defer_build=True)  # pydantic builds a validator for `Settings` only
