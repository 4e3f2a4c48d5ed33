"""What is decided about the models beside the operators: when they write, what becomes of it, who pays."""
