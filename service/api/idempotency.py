"""Idempotency keys: the request header, and the response header that says that a response is a replay."""

from aiohttp import web

from service import errors
from service.api.fields import anchored
from service.api.routing import Header, Parameter
from service.errors import Problem
from service.ids import new_id
from service.vocabulary import IDEMPOTENCY_KEY, MAX_IDEMPOTENCY_KEY

NAME = "Idempotency-Key"
REPLAYED = {
    "Idempotent-Replayed": Header(
        "`true` where the operations had been applied or rejected before", {"type": "string", "enum": ["true"]}
    )
}


def parameter(max_length: int = MAX_IDEMPOTENCY_KEY) -> Parameter:
    """The request header, for a route."""
    return Parameter(
        NAME,
        "The same key and request get the same response again. Keys do not expire.",
        {"type": "string", "pattern": anchored(IDEMPOTENCY_KEY), "maxLength": max_length},
        location="header",
        example="order-17",
    )


def idempotency_key(request: web.Request) -> str:
    """The caller's key, or a generated one, by which a batch can be sent again after a lost connection."""
    keys = request.headers.getall(NAME, ())
    if not keys:
        return new_id()
    if len(keys) > 1:
        raise Problem(errors.INVALID_IDEMPOTENCY_KEY, f"{NAME} must be one header; got {len(keys)}")
    if not keys[0].isascii():
        raise Problem(
            errors.INVALID_IDEMPOTENCY_KEY,
            f"idempotency key must be 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters",
        )
    return keys[0]


def replayed(is_replay: bool) -> dict[str, str] | None:
    """The headers of a response."""
    return {"Idempotent-Replayed": "true"} if is_replay else None
