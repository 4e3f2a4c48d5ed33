"""Documents: text out of files, chunks, retrieval, citations. Begin with `documents.Documents`."""
