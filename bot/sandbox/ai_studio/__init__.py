"""A server that behaves like Yandex AI Studio. Begin with `server.Studio`."""
