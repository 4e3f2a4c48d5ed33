"""An HTTP server that behaves like Yandex AI Studio. Begin with `server.Studio`.

`generation` writes texts, `grpc` speaks gRPC (datasets, batch runs, tuning), `services` is everything else that can be
called.
"""
