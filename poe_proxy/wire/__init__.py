"""How it is said: one folder per dialect, always the same files and verbs. Pure: bytes and JSON in, canonical out, and back."""
