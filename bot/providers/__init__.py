"""Services with models: Yandex AI Studio, servers that speak OpenAI's API, a model on this machine.

What they share stands here: accounts with their quotas, errors, retries, streams of text. They know neither storage nor
Telegram, and give out what `bot/ai.py` describes.
"""
