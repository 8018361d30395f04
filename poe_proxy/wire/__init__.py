"""How it is said: a folder per dialect, always the same files and verbs. Pure: bytes and JSON in, canonical out."""
