"""What the services cost, and how much users, chats and the whole bot may spend."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from bot.config.groups import SettingsGroup
from bot.config.validators import AmountsByRole, CountsByRole, Currency


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


class PriceSettings(SettingsGroup):
    """Prices in CURRENCY, from the vendor's price list; 0 means that the price is unknown."""

    image_price: Decimal = Field(
        Decimal("2.2"), ge=0, description="What one picture costs. An example: set it from the vendor's price list"
    )
    embedding_price: Decimal = Field(
        Decimal("0.01"),
        ge=0,
        description="What 1,000 tokens of embeddings cost (long documents are searched with them). An example: set it "
        "from the vendor's price list",
    )
    speech_price: Decimal = Field(
        Decimal(0),
        ge=0,
        description="What each begun SPEECH_BLOCK of a voice note of up to 29 s costs. 0 = unknown: it is counted, "
        "but as no money; set it from the vendor's price list",
    )
    speech_long_price: Decimal = Field(Decimal(0), ge=0, description="... and of a longer one, which is an operation")
    speech_block: int = Field(15, gt=0, description="Seconds of speech that are sold whole; see the same price list")
    voice_price: Decimal = Field(
        Decimal(0), ge=0, description="What 1,000 characters of a spoken answer cost. 0 = unknown, as above"
    )
    search_price: Decimal = Field(
        Decimal(0), ge=0, description="What one search for pages costs (the tool web_search). 0 = unknown, as above"
    )
    search_answer_price: Decimal = Field(
        Decimal(0), ge=0, description="... one that writes its answer (/search, the tool web_answer)"
    )
    model_search_price: Decimal = Field(
        Decimal(0), ge=0, description='... one that a model makes by itself (rows of MODELS with "search" or "agent")'
    )
    vector_store_price: Decimal = Field(
        Decimal(0), ge=0, description="... one in a vector store that is a source of the knowledge base"
    )
    topic_price: Decimal = Field(
        Decimal(0),
        ge=0,
        description="What telling the topic of a question costs, for each begun 1,000 tokens of the question with its "
        "samples (classifier fewshot), or 250 tokens (tuned). 0 = unknown, as above",
    )
    currency: Currency = Field("RUB", description="What all these prices are in")
