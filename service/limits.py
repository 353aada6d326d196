"""The sizes and time limits that bound what the service takes on. Times are in seconds."""

from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Limits:
    """What a running service uses; tests construct their own."""

    # Requests in one batch, and batches at a time.
    max_batch: int = 1000
    max_calls: int = 2
    # Requests queued before a second call begins: two smaller calls cost more than the next larger one.
    second_call_at: int = 32
    # Requests queued: at most this many, and no more than a slow database can begin with within `max_queue_seconds`.
    max_queued: int = 10_000
    max_queue_seconds: float = 0.25
    # Time until a request fails with database_unavailable, and how often expired requests are looked for.
    request_seconds: float = 10.0
    expiry_seconds: float = 0.25
    # Pause before a batch is retried: the first one, then doubled up to the longest.
    retry_seconds: float = 0.05
    max_retry_seconds: float = 0.5
    # Time for a body to arrive, of the API and of the admin page.
    body_seconds: float = 15.0
    # A revoked API key must stop working within 5 seconds, the database's response time included.
    api_key_seconds: float = 3.0


DEFAULT = Limits()

LIMITS: web.AppKey[Limits] = web.AppKey("LIMITS", Limits)
