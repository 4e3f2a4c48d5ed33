"""What the services cost: prices, the ledger, budgets and reservations, /usage and /allowance.

Begin with `pricing.py`; `budget.Budget` holds the caps, `metering.py` pays for everything but answers.
"""
