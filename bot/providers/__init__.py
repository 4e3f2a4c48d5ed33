"""Services with models: Yandex AI Studio, servers that speak OpenAI's API, a model on this machine.

The modules at this level hold what all services share: accounts with their quotas, errors, the catalog of models,
streams of text. The package knows neither storage nor Telegram, and returns the values of `bot/ai.py`.
"""
