"""The ledger's tables, as numbered steps for SQLite and PostgreSQL alike. A published step never changes."""

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE requests (
            id TEXT PRIMARY KEY,
            time DOUBLE PRECISION NOT NULL,
            request_id TEXT NOT NULL,
            poe_request_id TEXT NOT NULL,
            key TEXT NOT NULL,
            address TEXT NOT NULL,
            session TEXT NOT NULL,
            agent TEXT NOT NULL,
            dialect TEXT NOT NULL,
            asked_model TEXT NOT NULL,
            served_model TEXT NOT NULL,
            stream BOOLEAN NOT NULL,
            tokens_in BIGINT,
            tokens_out BIGINT,
            tokens_cached BIGINT,
            tokens_reasoning BIGINT,
            estimate BIGINT,
            points BIGINT,
            source TEXT NOT NULL,
            status INTEGER NOT NULL,
            outcome TEXT NOT NULL,
            error TEXT NOT NULL,
            attempts TEXT NOT NULL,
            duration_s DOUBLE PRECISION NOT NULL,
            first_token_s DOUBLE PRECISION,
            history TEXT NOT NULL
        )""",
        "CREATE INDEX requests_by_time ON requests (time)",
        """CREATE TABLE leases (
            name TEXT PRIMARY KEY,
            holder TEXT NOT NULL,
            until DOUBLE PRECISION NOT NULL
        )""",
        "INSERT INTO leases (name, holder, until) VALUES ('settling', '', 0)",
    ),
)
"""``attempts`` and ``history`` are JSON; ``time`` and ``until`` are Unix seconds; ``source`` is empty while open."""
