"""Takes tuned models into use, and back: rows of MODELS in .env, personas, routing.toml. Begin with `use_model`.

What stood there before is returned as JSON, by which `drop_model` goes back. A change that somebody has made since
stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dotenv import dotenv_values, set_key, unset_key

from bot.config.entries import ModelConfig
from bot.errors import BadInput
from bot.ports import Say
from bot.providers import catalog
from bot.storage.tables.batch import StoredTuning

MODELS = "MODELS"
ROUTING = re.compile(r"^\[routing\][^\n]*\n", re.MULTILINE)
KEY = re.compile(r"^(classifier|tuned)[ \t]*=[^\n]*\n", re.MULTILINE)


def use_model(tuning: StoredTuning, env: Path, prompts: Path, say: Say) -> str:
    """Add a tuned text model to MODELS in a file of settings, and a persona with the system prompt that it has learned.

    Returns what stood there before, as JSON. Raises `BadInput` for a file that can't be changed.
    """
    name = slug(tuning)
    before = dotenv_values(env).get(MODELS) if env.exists() else None
    rows = [row for row in _rows(before) if row.get("name") != name]
    rows.append({"name": name, "title": tuning.name[:60], "model": tuning.target})
    after = json.dumps(rows, ensure_ascii=False)
    _write_setting(env, after)
    say(f"{env}: MODELS has {name} ({tuning.target})")
    persona = prompts / "personas" / f"{name}.toml"
    if tuning.system and not persona.exists():
        persona.parent.mkdir(parents=True, exist_ok=True)
        persona.write_text(_persona(tuning, name), encoding="utf-8")
        say(f"{persona}: a persona with the system prompt that the model was tuned with")
    say("The next start of the bot offers it: /model, or /persona.")
    return json.dumps({"env": str(env), "models": before, "after": after, "persona": str(persona)}, ensure_ascii=False)


def use_classifier(tuning: StoredTuning, routing: Path, say: Say) -> str:
    """Let a tuned classifier tell the topics of a routing file. Returns what stood there before, as JSON.

    Raises `BadInput` for a file without the table [routing].
    """
    text = _read(routing)
    found = ROUTING.search(text)
    if found is None:
        raise BadInput(f"{routing} has no table [routing]: govorun topics init writes an example")
    before = _keys(text, found.end())
    after = [f'classifier = "tuned"\ntuned = "{tuning.target}"\n']
    routing.write_text(_with_keys(text, found.end(), after), encoding="utf-8")
    say(f"{routing}: questions are told apart by {tuning.target}")
    return json.dumps({"routing": str(routing), "keys": before, "after": after}, ensure_ascii=False)


def drop_model(tuning: StoredTuning, say: Say) -> None:
    """Undo `use_model` (take the row out of MODELS, remove the persona) or `use_classifier` (restore routing.toml).

    What somebody has changed since stays as it is. Raises `BadInput` if the model is not in use.
    """
    if not tuning.before:
        raise BadInput(f"tuning {tuning.id} is not in use")
    before: dict[str, Any] = json.loads(tuning.before)
    if "routing" in before:
        path = Path(before["routing"])
        text = _read(path)
        found = ROUTING.search(text)
        if found is None or tuning.target not in text:
            say(f"{path} has been changed since; it stays as it is")
            return
        path.write_text(_with_keys(text, found.end(), before["keys"]), encoding="utf-8")
        say(f"{path}: as it was before")
        return
    _drop_row(tuning, Path(before["env"]), before, say)
    persona = Path(before["persona"])
    if persona.exists() and persona.read_text("utf-8") == _persona(tuning, slug(tuning)):
        persona.unlink()
        say(f"{persona}: removed")


def slug(tuning: StoredTuning) -> str:
    """The name of a tuned model in MODELS."""
    return f"tuned-{tuning.id}-" + re.sub(r"[^a-z0-9]+", "-", tuning.name.lower()).strip("-")[:30]


def embedding_row(tuning: StoredTuning, url: str) -> str:
    """The row of EMBEDDING_MODELS that makes vectors with a tuned model."""
    row = {"name": slug(tuning), "url": url, "model": tuning.target, "key": "$YC_API_KEY"}
    return f"EMBEDDING_MODELS='{json.dumps([row])}'"


def _drop_row(tuning: StoredTuning, env: Path, before: dict[str, Any], say: Say) -> None:
    now = dotenv_values(env).get(MODELS) if env.exists() else None
    if now == before["after"] and before["models"] is None:
        unset_key(env, MODELS)
    elif now == before["after"]:
        _write_setting(env, before["models"])
    elif now:
        _write_setting(
            env, json.dumps([row for row in _rows(now) if row.get("name") != slug(tuning)], ensure_ascii=False)
        )
    say(f"{env}: MODELS is without {slug(tuning)}")


def _rows(text: str | None) -> list[dict[str, Any]]:
    """The rows of MODELS; the built-in ones where it is not set, which a row of one's own would replace."""
    if not text:
        return [_row(row) for row in catalog.BUILT_IN]
    try:
        found = json.loads(text)
    except ValueError:
        raise BadInput("MODELS in .env is no JSON list") from None
    return list(found)


def _row(row: ModelConfig) -> dict[str, Any]:
    return row.model_dump(exclude_defaults=True, exclude={"key"})


def _write_setting(env: Path, value: str) -> None:
    if not env.exists():
        raise BadInput(f"there is no file {env}: add MODELS={value} to the settings of the bot")
    set_key(env, MODELS, value, quote_mode="always")


def _persona(tuning: StoredTuning, name: str) -> str:
    title, system = json.dumps(tuning.name[:60], ensure_ascii=False), json.dumps(tuning.system, ensure_ascii=False)
    return f"title = {title}\nmodel = {json.dumps(name)}\nsystem = {system}\n"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None


def _table_end(text: str, start: int) -> int:
    found = re.compile(r"^\[", re.MULTILINE).search(text, start)
    return found.start() if found else len(text)


def _keys(text: str, start: int) -> list[str]:
    return [found[0] for found in KEY.finditer(text, start, _table_end(text, start))]


def _with_keys(text: str, start: int, keys: Sequence[str]) -> str:
    end = _table_end(text, start)
    return text[:start] + "".join(keys) + KEY.sub("", text[start:end]) + text[end:]
