"""The HTTP client of all AI services: pool, deadlines, streams. Begin with `client.Http`."""
