"""The knowledge base: how answers are made of it, and what embeds its passages. The support desk."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from bot.config.groups import SettingsGroup


class KnowledgeSettings(SettingsGroup):
    """How the bot answers from its own sources (`govorun kb add`); without sources nothing of it is used."""

    knowledge: Literal["cited", "judged", "extract", "off"] = Field(
        "cited",
        description="How the bot answers from its sources (govorun kb add; docs/knowledge.md): cited = the model's "
        "sentences, each with a quote that was checked; judged = as cited, and HELPER_MODEL is asked whether each "
        "sentence follows from its quotes; extract = only sentences of the sources, without a model; "
        "off = not at all",
    )
    embeddings: Literal["yandex", "offline", "off"] = Field(
        "yandex",
        description="What compares questions and sources by meaning: yandex = AI Studio (EMBEDDING_PRICE), offline = "
        "this machine (the extra `offline`, nothing is sent), off = words only",
    )
    kb_correct_days: int = Field(
        7,
        ge=0,
        description="Where a source says another number or date than answers of the last so many days have quoted, "
        "admins are asked whether to tell the chats; 0 = they are never asked",
    )
    routing: Path | None = Field(
        None,
        description="File with the topics of questions, which decide who answers them out of which sources "
        "(govorun topics init; docs/topics.md); empty = no topics",
    )
    desk: Path | None = Field(
        None,
        description="Folder of the support desk: people take over conversations of the bot (docs/desk.md); empty = "
        "there is no desk",
    )
    desk_keep_days: int = Field(
        90,
        ge=0,
        description="What was said in closed cases of the support desk is kept so many days (names, summaries, "
        "comments, which message went where; messages themselves by RETENTION_…); 0 = for ever",
    )
    desk_hook_secret: SecretStr = Field(
        SecretStr(""),
        description="Secret that signs the events of the support desk for the address in [hook] of desk.toml",
    )
    knowledge_cache: Path = Field(
        Path(".govorun/knowledge"),
        description="Folder of repositories of sources, which may be deleted, and in files/ of "
        "documents that were sent with /kb add, which are read again from there",
    )
