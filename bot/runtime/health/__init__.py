"""Health checks, the HTTP server that answers them, and the page of metrics that Prometheus reads.

Begin with `checks.Health`.
"""
