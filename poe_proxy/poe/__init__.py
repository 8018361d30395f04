"""Who we talk to: Poe, over HTTP. The only rooms that know httpx."""
