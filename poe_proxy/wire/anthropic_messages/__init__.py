"""Anthropic Messages, as clients speak it to us and as Poe speaks it for Claude."""

DIALECT = "anthropic_messages"
