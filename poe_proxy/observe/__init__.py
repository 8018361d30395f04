"""What we tell of ourselves: log lines and metrics, never a key or a message."""
