"""How it is said: one module for each of the three dialects, each with the same five verbs."""
