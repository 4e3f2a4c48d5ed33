"""The way of an incoming message to the code that handles it.

Begin with `pipeline.py`, which lists the layers (throttle, queue, error boundary, admission), then `router.py`.
"""
