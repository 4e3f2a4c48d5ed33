"""Yandex AI Studio over its native REST API. Begin at `service.py`; the wire itself is in `wire.py`."""
