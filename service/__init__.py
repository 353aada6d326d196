"""A thin HTTP API over the wallet functions of `db/functions/`."""
