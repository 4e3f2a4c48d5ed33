"""What is asked of language models, independent of the vendor: the prompt, routing, circuit breaker, typed answers."""
