"""Helper-model requests about a question: rewriting it for the search, ordering the passages found, judging the
sentences of the answer.
"""
