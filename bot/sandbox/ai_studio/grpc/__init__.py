"""The gRPC side of the sandbox's AI Studio: datasets, batch runs and tuning. Begin with `server.GrpcServer`.

Needs the extra `grpc` (grpcio and the vendor's stubs); nothing outside this package imports it before it is used.
"""
