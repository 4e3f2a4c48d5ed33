"""The knowledge base in the database: `sources`, their `articles` and `passages`, quotes in answers (`quotes`),
questions without an answer (`gaps`), taught answers (`learned`), limits of relevance (`gates`), and the `topics` of
questions.
"""
