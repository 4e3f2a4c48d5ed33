"""The bot of a lamp shop, which docs/tutorial.md builds step by step.

cd examples && govorun sandbox --app shop:app --reload
"""

from . import catalog, delivery, news, service
from .app import app

__all__ = ["app", "catalog", "delivery", "news", "service"]
