"""The HTTP client of all AI services: pool, deadlines, streams. Begin with `client.Http`."""

import sys

# httpx imports its command line (click, rich, pygments) wherever click is installed: 4 MB that a bot never uses.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
