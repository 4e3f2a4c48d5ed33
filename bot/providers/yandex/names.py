"""Names of models as the vendor writes them, and the URIs that the API wants.

`yandexgpt`, `yandexgpt-lite/rc`, `yandexgpt-lite/latest@suffix` belong to the operator's folder; a whole URI
(`gpt://folder/model/version@suffix`) is kept unchanged.
"""

from __future__ import annotations

import re

from bot.errors import ConfigError
from bot.providers import catalog

NAME = re.compile(r"(?P<model>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<version>/[A-Za-z0-9._-]+)?(?P<suffix>@[A-Za-z0-9._-]+)?")
URI = re.compile(r"(?P<scheme>[a-z]+)://[A-Za-z0-9._-]+/[A-Za-z0-9._/-]+(@[A-Za-z0-9._-]+)?")
PURPOSES = {"gpt": "answers", "emb": "embeddings", "cls": "classifiers", "art": "pictures"}
SETTINGS = {"gpt": "MODEL: ", "art": "IMAGE_MODEL: "}


def uri(name: str, folder: str, scheme: str = "gpt") -> str:
    """Return the URI of a model. Without a version it names `latest`, unless the vendor asks for none (`catalog.toml`).

    Raises `ConfigError` for a name that is wrong.
    """
    name, setting = name.strip(), SETTINGS.get(scheme, "")
    if "://" in name:
        return _checked(name, scheme)
    match = NAME.fullmatch(name)
    if match is None:
        expected = "name, name/version, name/version@suffix or a URI is expected"
        raise ConfigError(f"{setting}{name!r} is not a model name: {expected}")
    if not folder:
        raise ConfigError(f"{setting}{name!r} needs YC_FOLDER_ID, or a whole URI like {scheme}://folder/model/version")
    model = catalog.ALIASES.get(match["model"], match["model"])
    version = match["version"] or ("" if scheme + model in catalog.FIXED and not match["suffix"] else "/latest")
    return f"{scheme}://{folder}/{model}{version}{match['suffix'] or ''}"


def _checked(address: str, scheme: str) -> str:
    match, setting = URI.fullmatch(address), SETTINGS.get(scheme, "")
    if match is None:
        raise ConfigError(f"{setting}{address!r} is not a model URI: {scheme}://folder/model/version is expected")
    # ds:// is the old address of models that were tuned in DataSphere.
    if match["scheme"] != scheme and not (match["scheme"] == "ds" and scheme == "gpt"):
        raise ConfigError(
            f"{setting}{address!r} is not a model for {PURPOSES[scheme]}: its address must begin with {scheme}://, not "
            f"{match['scheme']}://"
        )
    return address
