"""Datasets, batch runs and tunings of AI Studio as values, and the errors of their calls. Loads no gRPC.

Times are Unix seconds, 0.0 for not yet. A status is the vendor's word in lower case; one that a newer service has
and these stubs do not know is `unknown`, and is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.errors import ModelRefused

REQUESTS, PAIRS = "TextToTextGenerationRequest", "TextToTextGeneration"
PICTURES = "ImageTextToTextGenerationRequest"
MULTICLASS, MULTILABEL = "TextClassificationMulticlass", "TextClassificationMultilabel"
EMBEDDING_PAIRS, EMBEDDING_TRIPLETS = "TextEmbeddingsPair", "TextEmbeddingsTriplet"
UNKNOWN = "unknown"
MOST_DATASETS = 100
LARGEST_DATASET = 5 << 30  # bytes


class NotFound(ModelRefused):
    """The service has no dataset, run or tuning with this id, or has it no more."""


@dataclass(frozen=True, slots=True)
class LineError:
    """What the service has found wrong in lines of a dataset: a kind of error, and the lines (from 1) that have it."""

    error: str
    description: str
    lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset of AI Studio. `size` is in bytes, `created` in Unix seconds.

    `status`: draft, validating, ready, invalid (`errors` say why), deleting, or unknown for one that is new to us.
    """

    id: str
    name: str
    status: str
    task_type: str
    rows: int = 0
    size: int = 0
    created: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[LineError, ...] = ()


@dataclass(frozen=True, slots=True)
class VendorRun:
    """A batch run of the service: the model answers the rows of `dataset` into the dataset `result`.

    `status`: created, pending, in_progress, completed, failed, canceled or unknown. `line_errors` are the first and
    the last line of the dataset (from 1) that have an error, and the error; `errors` are about the whole.
    """

    id: str
    operation: str
    status: str
    dataset: str
    result: str = ""
    created: float = 0.0
    started: float = 0.0
    line_errors: tuple[tuple[int, int, str], ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tuning:
    """A tuning: the model `base` learns, and what has learned is the model `target` once it is completed.

    `status`: created, pending, in_progress, completed, failed, canceled, draft, archived, paid or unknown.
    """

    id: str
    name: str
    status: str
    base: str
    target: str = ""
    created: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
