"""Search in the passages of the knowledge base, by words and by meaning. Begin with `retrieval.Retrieval.search`."""
