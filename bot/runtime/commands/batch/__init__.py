"""The commands `govorun batch`, `dataset` and `tune`: what is typed, and beside it what each does (`runs.py`,
`dataset_work.py`, `tune_work.py`).
"""
