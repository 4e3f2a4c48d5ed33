"""The services of the sandbox's AI Studio that write no text: pictures, speech, search, embeddings, files."""
