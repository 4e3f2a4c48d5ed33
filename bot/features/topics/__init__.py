"""The topics of questions: what people and operators press, and the watch over the routing file."""
