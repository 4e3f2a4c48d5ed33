"""What the services cost, as far as the bot cannot ask them."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from bot.config.groups.group import SettingsGroup
from bot.config.validators import Currency


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
    currency: Currency = Field("RUB", description="What all these prices are in")
