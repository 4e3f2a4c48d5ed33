"""A pytest plugin for bots that are built on Govorun: fake Telegram users, fake models and virtual time.

Begin with `fixtures.py`; `tg.py` is what people do in Telegram, `studio.py` what the models answer. `docs/framework.md`
has examples.
"""
