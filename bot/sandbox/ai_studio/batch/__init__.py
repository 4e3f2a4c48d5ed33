"""Datasets, batch runs and tuning of AI Studio, which speak gRPC only. Begin with `server.BatchServer`.

Needs the extra `batch` (grpcio and the vendor's stubs); nothing outside this package imports it before it is used.
"""
