"""What the knowledge base learns from questions that it could not answer. Begin with `gaps`."""
