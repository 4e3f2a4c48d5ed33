"""Models in general: which one answers, what its prompt holds, circuit breaker, JSON. Begin with `routing.Routing`."""
