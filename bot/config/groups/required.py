"""What a bot cannot run without: its Telegram token and access to Yandex AI Studio."""

from __future__ import annotations

from pydantic import Field, SecretStr

from bot.config.groups import SettingsGroup
from bot.config.validators import OwnKey


class RequiredSettings(SettingsGroup):
    """The three settings that have no default: the first lines of `.env.example`."""

    bot_token: SecretStr = Field(SecretStr(""), description="Telegram bot token, from @BotFather: 123456:ABC-...")
    yc_api_key: OwnKey = Field(
        SecretStr(""), description="API key of a service account with the role ai.languageModels.user: AQVN..."
    )
    yc_folder_id: str = Field("", description="The folder that pays, 20 characters: b1g...")
