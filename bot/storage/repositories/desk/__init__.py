"""The support desk in the database: cases, the topics that operators see, and pairs of relayed messages."""
