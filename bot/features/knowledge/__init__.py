"""The knowledge base in Telegram: `panel` (/kb) and `gaps` (/gaps) for admins, `learned` for answers that people teach,
`source_view` and `private_answers` for people who ask, `telling` and `stale` for what follows when sources change, and
`jobs`, which read sources and buy embeddings.
"""
