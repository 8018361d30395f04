"""OpenAI Chat Completions, as clients speak it to us and as Poe speaks it."""

DIALECT = "openai_chat"
