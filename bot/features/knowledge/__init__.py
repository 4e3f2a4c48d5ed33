"""The knowledge base in Telegram: `panel` for admins, `jobs` that read sources and buy embeddings."""
