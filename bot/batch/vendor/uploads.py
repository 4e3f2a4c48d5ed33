"""Uploads a file to a draft of a dataset: whole, or in parts above 100 MB. Begin with `send_file`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.batch.vendor.transfers import Transfers
from bot.batch.vendor.values import NotFound
from bot.errors import ModelRefused

if TYPE_CHECKING:
    from bot.batch.vendor.studio import VendorStudio

ADDRESSES_KEPT = 20 * 3600.0  # seconds that the addresses of parts are used; the service keeps them for a day


@dataclass(frozen=True, slots=True)
class Sizes:
    """Files above `large` bytes are sent in parts of `part` bytes."""

    large: int = 100_000_000
    part: int = 64 << 20


SIZES = Sizes()
Save = Callable[[dict[str, Any]], Awaitable[None]]


async def send_file(
    vendor: VendorStudio, transfers: Transfers, dataset: str, path: Path, upload: dict[str, Any], save: Save,
    *, now: float, sizes: Sizes = SIZES,
) -> None:  # fmt: skip
    """Send a file of `upload["size"]` bytes to a draft. A large one goes in parts.

    `upload` notes which parts have arrived; `save` stores it after each, so that a later call with it goes on there.
    Raises `NotFound` if there is no such draft, `AddressExpired` and `ModelUnavailable` where the file did not arrive.
    """
    size, part = upload["size"], sizes.part
    if size <= sizes.large:
        await transfers.put(await vendor.upload_url(dataset, size), path, size=size)
        return
    if not upload.get("urls") or upload["until"] < now:
        upload["urls"] = list(await vendor.start_parts(dataset, size, -(-size // part)))
        upload |= {"etags": [""] * len(upload["urls"]), "until": now + ADDRESSES_KEPT}
        await save(upload)
    for number, url in enumerate(upload["urls"]):
        start = number * part
        if not upload["etags"][number]:
            upload["etags"][number] = await transfers.put(url, path, start=start, size=min(part, size - start))
            await save(upload)
    try:
        await vendor.finish_parts(dataset, upload["etags"])
    except NotFound:
        raise
    except ModelRefused:
        return  # it was finished before, else the validation finds nothing
