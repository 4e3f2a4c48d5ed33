"""The citations of an answer: what the model is shown, what of its answer may be sent, and how it is presented."""
