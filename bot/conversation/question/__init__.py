"""What is done with a question before it is answered."""
