"""The topics of questions in Telegram: the buttons with which people and operators choose a topic (`buttons`), and the
watch over the routing file (`watch`).
"""
