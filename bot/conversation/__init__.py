"""One turn of a conversation: the question is stored, the model is asked, the answer is stored.

Begin with `turn_start.py` (first transaction), `assistant.py` (the request to the model) and `turn_end.py` (last
transaction). `branching.py` decides where a message belongs; `memory.py` has pins and summaries.
"""
