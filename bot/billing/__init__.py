"""What the services cost: prices, the ledger, budgets and reservations, /usage and /allowance.

Begin with `pricing.py`. `budget.Budget` has the caps; `metering.py` pays for speech, embeddings and searches.
"""
