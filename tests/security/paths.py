"""What the proxy serves: pages to look at, and calls that spend points."""

PAGES = (
    "/",
    "/health",
    "/ready",
    "/metrics",
    "/api/hello",
    "/openapi.json",
    "/v1/models",
    "/v1/models/gpt-5.4",
    "/v1/usage",
)
CALLS = ("/v1/chat/completions", "/v1/messages", "/v1/messages/count_tokens", "/chat/completions", "/messages")
