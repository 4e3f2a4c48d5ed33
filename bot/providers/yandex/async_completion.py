"""YandexGPT answers later, for half the price: `YandexAsyncModel` over completionAsync. Results are kept for 3 days."""

from __future__ import annotations

from bot.ai import Answered, Failed, Pending, Profile, Request
from bot.errors import StreamCut
from bot.providers.account import Account
from bot.providers.text_model import refuse_pictures
from bot.providers.yandex import operations, wire


class YandexAsyncModel:
    """An `AsyncModel` of the native API. `url` accepts questions; `operations` (another host) returns the answers."""

    def __init__(self, uri: str, profile: Profile, account: Account, *, url: str, operations: str) -> None:
        self._wire = wire.NativeWire(uri, profile)
        self._profile = profile
        self._account = account
        self._url = f"{url}/foundationModels/v1/completionAsync"
        self._operations = f"{operations}/operations"

    async def submit(self, request: Request) -> str:
        """Send a question and return the operation id. A request that may have been accepted is not repeated: each is
        paid.
        """
        refuse_pictures(request, self._profile)
        return await operations.order(self._account, self._url, self._wire.body(request, stream=False))

    async def poll(self, operation: str) -> Pending | Answered | Failed:
        """Return the answer, `Pending` or `Failed`. Raises `ModelUnavailable`, or `ModelDenied` for a refused key."""
        value = await operations.outcome(self._account, self._operations, operation)
        if isinstance(value, Pending | Failed):
            return value
        reader = wire.StreamReader()
        try:
            chunk = reader.take(value)
            reader.end()
        except StreamCut as error:
            return Failed(str(error))
        return operations.answered(chunk)

    async def cancel(self, operation: str) -> bool:
        """Cancel the operation and return whether it was cancelled."""
        return await operations.cancelled(self._account, self._operations, operation)
