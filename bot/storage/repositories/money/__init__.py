"""What was paid for (`ledger`), and what may still be spent (`budgets`)."""
