"""How many tokens, pictures and how much money users, chats and the whole bot may spend."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from bot.config.groups.group import SettingsGroup
from bot.config.validators import AmountsByRole, CountsByRole


class BudgetSettings(SettingsGroup):
    """Limits of spending for a day or month (UTC); 0 means no limit. Money is in CURRENCY."""

    user_daily_tokens: int = Field(
        0, ge=0, description="Tokens a day (UTC) for one user, questions and answers; 0 = no limit. Owners have none"
    )
    user_monthly_tokens: int = Field(0, ge=0, description="... and a month")
    chat_daily_tokens: int = Field(0, ge=0, description="Tokens a day in one chat")
    chat_monthly_tokens: int = Field(0, ge=0, description="... and a month")
    daily_tokens: int = Field(0, ge=0, description="Tokens a day for the whole bot, owners included")
    monthly_tokens: int = Field(0, ge=0, description="... and a month")
    role_daily_tokens: CountsByRole = Field(
        default_factory=dict,
        description="Tokens a day for one user of a role instead of USER_DAILY_TOKENS, as JSON: "
        '{"operator": 90000, "admin": 0}; 0 = no limit',
    )
    role_monthly_tokens: CountsByRole = Field(
        default_factory=dict, description="... and a month instead of USER_MONTHLY_TOKENS"
    )
    user_daily_images: int = Field(0, ge=0, description="Pictures a day for one user; 0 = no limit. Owners have none")
    user_monthly_images: int = Field(0, ge=0, description="... and a month")
    chat_daily_images: int = Field(0, ge=0, description="Pictures a day in one chat")
    chat_monthly_images: int = Field(0, ge=0, description="... and a month")
    daily_images: int = Field(0, ge=0, description="Pictures a day for the whole bot, owners included")
    monthly_images: int = Field(0, ge=0, description="... and a month")
    role_daily_images: CountsByRole = Field(
        default_factory=dict,
        description="Pictures a day for one user of a role instead of USER_DAILY_IMAGES, as JSON: "
        '{"operator": 20, "admin": 0}; 0 = no limit',
    )
    role_monthly_images: CountsByRole = Field(
        default_factory=dict, description="... and a month instead of USER_MONTHLY_IMAGES"
    )
    user_daily_money: Decimal = Field(
        Decimal(0), ge=0, description="Money a day (UTC) for one user; 0 = no limit. Owners have none"
    )
    user_monthly_money: Decimal = Field(Decimal(0), ge=0, description="... and a month")
    chat_daily_money: Decimal = Field(Decimal(0), ge=0, description="Money a day in one chat")
    chat_monthly_money: Decimal = Field(Decimal(0), ge=0, description="... and a month")
    daily_money: Decimal = Field(Decimal(0), ge=0, description="Money a day for the whole bot, owners included")
    monthly_money: Decimal = Field(Decimal(0), ge=0, description="... and a month")
    role_daily_money: AmountsByRole = Field(
        default_factory=dict,
        description="Money a day for one user of a role instead of USER_DAILY_MONEY, as JSON: "
        '{"operator": 50, "admin": 0}; 0 = no limit',
    )
    role_monthly_money: AmountsByRole = Field(
        default_factory=dict, description="... and a month instead of USER_MONTHLY_MONEY"
    )
    confirm_above: Decimal = Field(
        Decimal(0), ge=0, description="What may cost more than this is asked about first, with its price; 0 = never"
    )
