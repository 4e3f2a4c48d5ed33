"""The knowledge base: its sources (`sources`), and their articles and passages (`passages`)."""
