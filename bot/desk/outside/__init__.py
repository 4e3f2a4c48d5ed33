"""What leads out of the desk: a programmer's lines on the card, and webhooks."""
