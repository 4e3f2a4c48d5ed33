"""The way of an incoming message to the code that handles it.

Begin with `pipeline.py` (throttle, queue, error boundary, admission), then `router.py` (commands and buttons).
"""
