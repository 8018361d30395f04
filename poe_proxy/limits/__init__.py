"""How many requests come in and how many calls go out: counted here, or in Redis for several proxies together."""
