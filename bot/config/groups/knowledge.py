"""Settings of the knowledge base (how answers are made from it, which model embeds its passages) and of the support
desk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from bot.config.entries import EMBEDDERS, EmbeddingModelConfig
from bot.config.groups import SettingsGroup
from bot.config.validators import Line, rows


class KnowledgeSettings(SettingsGroup):
    """How the bot answers from its own sources (`govorun kb add`); without sources nothing of it is used."""

    knowledge: Literal["open", "cited", "judged", "extract", "off"] = Field(
        "open",
        description="How the bot answers from its sources (govorun kb add; docs/knowledge.md): open = what they cover "
        "with quotes that were checked, everything else as without sources; cited = nothing but the model's "
        "sentences, each with a quote that was checked; judged = as cited, and HELPER_MODEL is asked whether each "
        "sentence follows from its quotes; extract = only sentences of the sources, without a model; "
        "off = not at all",
    )
    embedding_models: Annotated[list[EmbeddingModelConfig], NoDecode, BeforeValidator(rows)] = Field(
        default_factory=list,
        description="Embedding models of other OpenAI-compatible servers, as JSON (docs/knowledge.md): "
        '[{"name":"bge","url":"http://127.0.0.1:11434/v1","model":"bge-m3"}], with the key or $NAME of a variable in '
        '"key", and the price of 1,000 tokens in "price"',
    )
    embeddings: Line = Field(
        "yandex",
        description="What compares questions and sources by meaning: yandex = AI Studio (EMBEDDING_PRICE), offline = "
        "this machine (the extra `offline`, nothing is sent), off = words only, or the name of a row of "
        "EMBEDDING_MODELS",
    )
    kb_rerank: int = Field(
        0,
        ge=0,
        le=30,
        description="How many of the passages that are found HELPER_MODEL puts in a better order before a model "
        "answers from them, for its price and at most 2 s a question (docs/knowledge.md); 0 = the order of the search",
    )
    kb_mark_own: bool = Field(
        False,
        description="KNOWLEDGE=open: say below an answer what of it is not from the sources",
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

    read_hidden: bool = Field(
        False,
        description="true = of documents and sources also what their authors hid is read: hidden sheets, rows, "
        "columns, words and slides, and the notes of speakers",
    )

    @field_validator("embedding_models")
    @classmethod
    def _one_name_each(cls, models: list[EmbeddingModelConfig]) -> list[EmbeddingModelConfig]:
        if len({row.name for row in models}) < len(models):
            raise ValueError("two rows have one name")
        return models

    @field_validator("embeddings")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        names = [*EMBEDDERS, *(row.name for row in info.data.get("embedding_models", ()))]
        if name not in names:
            raise ValueError(f"one of {', '.join(names)} is expected, or the name of a row of EMBEDDING_MODELS")
        return name

    @property
    def embedding_row(self) -> EmbeddingModelConfig | None:
        """The row of EMBEDDING_MODELS that EMBEDDINGS names; None if it names none."""
        return next((row for row in self.embedding_models if row.name == self.embeddings), None)
