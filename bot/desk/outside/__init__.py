"""Connections of the desk to other code: lines that a programmer adds to the card, and webhooks."""
