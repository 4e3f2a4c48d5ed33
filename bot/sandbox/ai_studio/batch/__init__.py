"""Datasets, batch runs and tuning of AI Studio, which speak gRPC only. `grpc.server` serves them.

Needs the extra `grpc` (grpcio and the vendor's stubs); nothing outside this package imports it before it is used.
"""
