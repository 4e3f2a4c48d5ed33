"""The knowledge base, and documents in conversations: reading sources (`sources/`), searching them (`search/`),
checking answers against them (`answer/`), learning from questions without an answer (`learning/`).

Begin with `base.KnowledgeBase` and `answering.KnowledgeAnswers`; for documents with `documents.Documents`.
"""
