"""What to do about an error of AI Studio: in the console, in the settings, or by waiting. Begin with `advise`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.config.settings import WHERE, Settings
from bot.doctor.finding import host_and_port, secret
from bot.errors import BotError, ConfigError, ModelUnavailable
from bot.http.transport import environment_proxy
from bot.providers import catalog
from bot.providers.error_mapping import MONEY, Unauthenticated


def advise(settings: Settings, error: BotError, role: str) -> str:
    """Say what to do where a service has failed; `role` is what the service account needs for it."""
    if str(error).startswith("403") and not MONEY.search(str(error)):
        return missing_right(str(error), role)
    return advise_model(settings, error, settings.model)


def advise_model(settings: Settings, error: BotError, name: str) -> str:
    """Say what to do where the model `name` has failed."""
    words = str(error)
    if server := other_server(settings, name):
        return f"Look at {server}, and at url, key and model in the row of MODELS for {name!r}"
    if found := RIGHT_FOLDER.search(words):
        if found[1] == settings.yc_folder_id:
            return f"{name!r} names another folder than the key's: write the name of the model alone"
        return f"YC_FOLDER_ID={found[1]} is the folder of this key; a key works only in its own folder"
    if isinstance(error, Unauthenticated):
        return NEW[given_credentials(settings)[0]]
    if isinstance(error, ConfigError):
        return "`govorun models list` shows the names"
    if isinstance(error, ModelUnavailable):
        if words.startswith("429"):
            return USED_UP
        return TROUBLE
    if MONEY.search(words):
        return "console.yandex.cloud -> Billing: is the account active, is there money, does this folder belong to it?"
    if words.startswith("403"):
        if GONE.search(words):
            return "Your folder does not have this model (any more): `govorun models list` shows those that it has"
        return missing_right(words, "ai.languageModels.user")
    return "Check the name: `govorun models list`"


def missing_right(words: str, role: str) -> str:
    """Say what a refusal (403) asks for: the role of the service account, the scope of its key, or both where the words
    of the service do not tell. `role` may name several, joined by "and".
    """
    roles = role.split(" and ")
    scopes = " and ".join(dict.fromkeys(SCOPES[one] for one in roles if one in SCOPES))
    new_key = f"make an API key with the scope {scopes} (console.yandex.cloud -> Service accounts -> Create API key)"
    if "scope" in words.lower() and scopes:
        return f"The key lacks a scope: {new_key}"
    where = "console.yandex.cloud -> your folder -> Access bindings"
    give = f"Give the service account the role {role} in this folder ({where})"
    return give if "role" in words.lower() or not scopes else f"{give}; if it has that, {new_key}"


def other_server(settings: Settings, name: str) -> str:
    """Host and port of a model that is not served by AI Studio; "" for one that is."""
    entry = catalog.entry(name, settings.models)
    return host_and_port(entry.url) if entry and entry.url else ""


def given_credentials(settings: Settings) -> Sequence[str]:
    """The settings that hold credentials, in the order of preference of `bot.providers.yandex.auth`."""
    held = {
        "YC_API_KEY": secret(settings.yc_api_key),
        "YC_IAM_TOKEN": secret(settings.yc_iam_token),
        "YC_OAUTH_TOKEN": secret(settings.yc_oauth_token),
        "YC_SERVICE_ACCOUNT_KEY_FILE": settings.yc_service_account_key_file,
        "YC_METADATA": settings.yc_metadata,
    }
    return [name for name, value in held.items() if value]


def advise_network(settings: Settings) -> str:
    """Say what to do where AI Studio is out of reach."""
    if proxy := environment_proxy(settings.yc_llm_url):
        return f"Is the proxy {host_and_port(proxy)} (HTTPS_PROXY) up, and does it lead there?"
    return (
        "Is the address open from this network? If a proxy is needed: HTTPS_PROXY=http://host:port; look at YC_LLM_URL"
    )


RIGHT_FOLDER = re.compile(r"does not match with service account folder ID '([\w-]+)'")
GONE = re.compile(r"access to model\b.{0,200}\bdenied", re.IGNORECASE)
SCOPES: Mapping[str, str] = {  # that a key needs beside a role of its service account
    "ai.languageModels.user": "yc.ai.foundationModels.execute",
    "ai.imageGeneration.user": "yc.ai.imageGeneration.execute",
    "ai.assistants.editor": "yc.ai.foundationModels.execute",
    "ai.editor": "yc.ai.foundationModels.execute",
}
NEW: Mapping[str, str] = {
    "YC_API_KEY": f"The key is wrong, expired or deleted; a new one: {WHERE['yc_api_key']}",
    "YC_IAM_TOKEN": "IAM tokens live 12 hours: `yc iam create-token` makes one. An API key (YC_API_KEY) lasts",
    "YC_OAUTH_TOKEN": "The token is wrong or expired; an API key (YC_API_KEY) of a service account is better",
    "YC_SERVICE_ACCOUNT_KEY_FILE": "A new key: `yc iam key create --service-account-name NAME --output key.json`; "
    "a clock that is wrong spoils good ones too",
    "YC_METADATA": "Link a service account to this virtual machine, or use YC_API_KEY",
}
USED_UP = "The quota is used up, perhaps by another program with this folder: wait, or ask for more in the console"
TROUBLE = (
    "The service is in trouble or out of reach: try again in some minutes; status.yandex.cloud tells what is known"
)
