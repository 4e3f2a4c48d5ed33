"""Topics of questions: what each is about, and so who answers it, with which model, out of which knowledge.

Begin with `routing_file.py` (the file of the operator), then `intent_routing.py` (which topic a question has).
"""
