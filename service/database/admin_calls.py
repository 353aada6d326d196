"""The SQL of every function that the admin page alone calls, each statement once.

Problems are raised as `asyncpg.PostgresError`, whose `sqlstate` is the one of the named problem.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any, TypeAlias
from uuid import UUID

Address = IPv4Address | IPv6Address
Database: TypeAlias = Any  # a pool or a connection of asyncpg, which has no types
Row = Mapping[str, Any]
Rows = Sequence[Row]


@dataclass(frozen=True)
class Session:
    """An admin who is signed in, and from where. The token proves it to the functions of the database."""

    username: str
    token: str = field(repr=False)
    address: Address | None
    signed_in_at: datetime
    expires_at: datetime


# Signing in


async def create_admin(database: Database, username: str, password_hash: str) -> None:
    """Raises admin_already_exists or invalid_username."""
    await database.execute("select wallet.create_admin($1, $2)", username, password_hash)


async def begin_login(database: Database, username: str, address: Address | None) -> str | None:
    """The hash to check a password against, None if there is no such admin. Raises too_many_attempts."""
    stored: str | None = await database.fetchval("select wallet.begin_login($1, $2)", username, address)
    return stored


async def refuse_login(database: Database, username: str, address: Address | None) -> None:
    """Records that a sign-in attempt failed."""
    await database.execute("select wallet.refuse_login($1, $2)", username, address)


async def renew_password_hash(database: Database, username: str, old_hash: str, new_hash: str) -> None:
    """Replaces a hash by another one of the same password."""
    await database.execute("select wallet.renew_password_hash($1, $2, $3)", username, old_hash, new_hash)


async def set_admin_password(database: Database, session: Session, password_hash: str) -> None:
    """Changes the admin's own password and ends all sessions of the admin. Raises not_signed_in."""
    await database.execute(
        "select wallet.set_admin_password($1, $2, $3, $4)",
        *(session.username, password_hash, session.token, session.address),
    )


async def begin_session(database: Database, username: str, token: str, address: Address | None) -> None:
    """Starts a session under a token that the service generated."""
    await database.execute("select wallet.begin_session($1, $2, $3)", username, token, address)


async def get_session(database: Database, token: str, address: Address | None) -> Session | None:
    """The session of a token, None if it has expired or never was."""
    row = await database.fetchrow("select * from wallet.get_session($1)", token)
    return None if row is None else Session(row["username"], token, address, row["signed_in_at"], row["expires_at"])


async def end_session(database: Database, session: Session) -> None:
    """Signs out."""
    await database.execute("select wallet.end_session($1, $2)", session.token, session.address)


# The ledger as a whole


async def list_currencies(database: Database) -> Rows:
    """Code and decimals of each currency."""
    return await _fetch(database, "select * from wallet.list_currencies()")


async def get_totals(database: Database) -> Rows:
    """Number of wallets and sum of balances per currency. Reads every wallet."""
    return await _fetch(database, "select * from wallet.get_totals()")


async def get_activity(database: Database) -> Rows:
    """Deposits and withdrawals per hour of the last 48 hours, oldest first."""
    return await _fetch(database, "select * from wallet.get_activity()")


async def list_latest_operations(database: Database, limit: int) -> Rows:
    """The newest operations of all wallets."""
    return await _fetch(database, "select * from wallet.list_latest_operations($1)", limit)


async def list_latest_rejections(database: Database, limit: int) -> Rows:
    """The newest remembered rejections of all wallets."""
    return await _fetch(database, "select * from wallet.list_latest_rejections($1)", limit)


async def list_broken_wallets(database: Database, limit: int) -> Rows:
    """Wallets whose last verification failed."""
    return await _fetch(database, "select * from wallet.list_broken_wallets($1)", limit)


async def list_audit(
    database: Database, limit: int, from_id: int | None, is_backward: bool, wallet_id: UUID | None = None
) -> Rows:
    """A page of what admins did, newest first, older than a position or, backward, newer."""
    return await _fetch(
        database, "select * from wallet.list_audit($1, $2, $3, $4)", limit, from_id, is_backward, wallet_id
    )


# Wallets


async def search_wallets(
    database: Database,
    limit: int,
    order: str,
    filters: Sequence[str | None],
    position: tuple[datetime | None, str | None, UUID | None],
    is_backward: bool,
) -> Rows:
    """A page of wallets. `filters`: text, status, currency. `position`: created_at or name, then id."""
    return await _fetch(
        database,
        "select * from wallet.search_wallets($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *(limit, order, *filters, *position, is_backward),
    )


async def get_balance_history(database: Database, wallet_id: UUID) -> Rows:
    """At most some hundred points of a wallet's balance, oldest first."""
    return await _fetch(database, "select * from wallet.get_balance_history($1)", wallet_id)


async def list_operations_between(
    database: Database, wallet_id: UUID, begin: datetime, end: datetime, after_seq: int | None, limit: int
) -> Rows:
    """A page of a wallet's operations from `begin` until before `end`, oldest first."""
    return await _fetch(
        database,
        "select * from wallet.list_operations_between($1, $2, $3, $4, $5)",
        *(wallet_id, begin, end, after_seq, limit),
    )


async def list_rejections(
    database: Database,
    wallet_id: UUID,
    limit: int,
    position: tuple[datetime | None, UUID | None],
    is_backward: bool,
) -> Rows:
    """A page of a wallet's remembered rejections, newest first."""
    return await _fetch(
        database, "select * from wallet.list_rejections($1, $2, $3, $4, $5)", wallet_id, limit, *position, is_backward
    )


# What admins do. Each is recorded in the audit log and raises not_signed_in if the session has ended.


async def create_wallet(
    database: Database, session: Session, wallet_id: str, name: str | None, currency: str, opening: int | None
) -> Row:
    """Creates a wallet, once per id. Raises wallet_already_exists or invalid_name."""
    return await _fetch_one(
        database,
        "select * from wallet.admin_create_wallet($1, $2, $3, $4, $5, $6)",
        *(session.token, session.address, wallet_id, name, currency, opening),
    )


async def apply_operation(
    database: Database,
    session: Session,
    wallet_id: UUID,
    operation_type: str,
    amount: int,
    key: str,
    reason: str,
) -> Row:
    """Applies an operation, once per idempotency key. A rejection is a row with an `error_code`."""
    return await _fetch_one(
        database,
        "select * from wallet.admin_apply_operation($1, $2, $3, $4, $5, $6, $7)",
        *(session.token, session.address, wallet_id, operation_type, amount, key, reason),
    )


async def preview_operation(database: Database, wallet_id: UUID, operation_type: str, amount: int) -> Row:
    """`new_balance`, or the `error_code` of a rejection. Applies nothing."""
    return await _fetch_one(
        database, "select * from wallet.preview_operation($1, $2, $3)", wallet_id, operation_type, amount
    )


async def set_wallet_status(database: Database, session: Session, wallet_id: str, status: str, reason: str) -> None:
    """Raises wallet_not_active or wallet_not_empty."""
    await database.execute(
        "select wallet.admin_set_wallet_status($1, $2, $3, $4, $5)",
        *(session.token, session.address, wallet_id, status, reason),
    )


async def verify_wallet(database: Database, session: Session, wallet_id: UUID) -> Rows:
    """The findings of a verification; none if the wallet agrees with its operations."""
    return await _fetch(
        database, "select * from wallet.admin_verify_wallet($1, $2, $3)", session.token, session.address, wallet_id
    )


async def record_export(database: Database, session: Session, wallet_id: UUID, begin: datetime, end: datetime) -> None:
    """Records a download of operations."""
    await database.execute(
        "select wallet.admin_record_export($1, $2, $3, $4, $5)",
        *(session.token, session.address, wallet_id, begin, end),
    )


async def list_api_keys(database: Database, limit: int) -> Rows:
    """API keys, revoked ones too."""
    return await _fetch(database, "select * from wallet.list_api_keys($1)", limit)


async def create_api_key(
    database: Database, session: Session, name: str, scope: str, digest: bytes, rate_limit: int | None
) -> Row:
    """Creates an API key, once per digest. Raises invalid_name or api_key_already_exists."""
    return await _fetch_one(
        database,
        "select * from wallet.admin_create_api_key($1, $2, $3, $4, $5, $6)",
        *(session.token, session.address, name, scope, digest, rate_limit),
    )


async def revoke_api_key(database: Database, session: Session, key_id: str) -> None:
    """Raises api_key_not_found."""
    await database.execute("select wallet.admin_revoke_api_key($1, $2, $3)", session.token, session.address, key_id)


async def _fetch(database: Database, statement: str, *arguments: object) -> Rows:
    rows: Rows = await database.fetch(statement, *arguments)
    return rows


async def _fetch_one(database: Database, statement: str, *arguments: object) -> Row:
    row: Row = await database.fetchrow(statement, *arguments)
    return row
