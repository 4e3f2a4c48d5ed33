"""Builds a bot, runs it, and supervises several; dispatchers for one process or many; health checks in `health`.

Begin with `build.build`, then `bot.Bot`. `main.py` is the process: signals, reload.
"""
