"""The settings by subject: each module declares one group of fields; `config.settings.Settings` inherits them all."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class SettingsGroup(BaseModel):
    """Fields that `Settings` inherits; a group alone reads no environment and is never made."""

    model_config: ClassVar[ConfigDict] = ConfigDict(defer_build=True)  # pydantic builds a validator for `Settings` only
