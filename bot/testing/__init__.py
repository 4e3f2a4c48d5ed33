"""For the tests of a bot that is built on Govorun: a pytest plugin with both sides of the wire and virtual time.

Begin with `fixtures.py`; `tg.py` is what people do in Telegram, `studio.py` what the models answer. See
`docs/framework.md`.
"""
