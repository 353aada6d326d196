"""`wallets createsuperuser`: creates an admin from what is given, or else from what it asks for at a terminal."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from getpass import getpass

import asyncpg

from service import errors
from service.admin.passwords import Passwords
from service.database import admin_calls
from service.database.connection import FAILURES

_PASSWORD = "ADMIN_PASSWORD"  # noqa: S105 -- the name of a variable
_WRONG_USERNAME = (errors.ADMIN_ALREADY_EXISTS.sqlstate, errors.INVALID_USERNAME.sqlstate)


class SuperuserError(Exception):
    """No admin was created; the text says why."""


async def create(connection: asyncpg.Connection, username: str | None) -> str:
    """Creates an admin and returns the username.

    The password is ADMIN_PASSWORD, or a line of standard input. A terminal is asked for what is missing. Raises
    SuperuserError.
    """
    try:
        return await _create(connection, username)
    except EOFError:
        raise SuperuserError("no admin was created") from None
    except FAILURES as exc:
        raise SuperuserError(f"database error: {str(exc) or type(exc).__name__}") from exc


async def _create(connection: asyncpg.Connection, given_username: str | None) -> str:
    is_terminal = sys.stdin.isatty()
    if given_username is None and not is_terminal:
        raise SuperuserError(
            "no terminal: give --username NAME, and the password in ADMIN_PASSWORD or on standard input"
        )
    while True:
        username = _ask_username() if given_username is None else _text(given_username, "the username")
        wrong = await _rehearse(connection, username)
        if wrong is None:
            break
        _explain(wrong, is_final=given_username is not None)

    given_password = _given_password(is_terminal)
    passwords = Passwords()
    while True:
        password = _ask_password() if given_password is None else given_password
        wrong = await passwords.weakness(username, password)
        if wrong is None:
            break
        _explain(wrong, is_final=given_password is not None)

    if wrong := await _call(connection, username, await passwords.digest(password)):
        raise SuperuserError(wrong)
    return username


async def _call(connection: asyncpg.Connection, username: str, password_hash: str) -> str | None:
    """Creates the admin; returns what is wrong with the username otherwise."""
    try:
        await admin_calls.create_admin(connection, username, password_hash)
    except asyncpg.PostgresError as exc:
        if exc.sqlstate not in _WRONG_USERNAME:
            raise
        return str(exc.message)
    return None


async def _rehearse(connection: asyncpg.Connection, username: str) -> str | None:
    """What is wrong with a username, known before a password is typed: a creation that is rolled back says so."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        return await _call(connection, username, "none yet")
    finally:
        await transaction.rollback()


def _given_password(is_terminal: bool) -> str | None:
    if given := os.environ.get(_PASSWORD):
        return _text(given, _PASSWORD)
    if is_terminal:
        return None
    with _interruptible():
        return _text(os.fsdecode(sys.stdin.buffer.readline()).rstrip("\r\n"), "the password")


def _ask_username() -> str:
    with _interruptible():
        return _text(input("Username: ").strip(), "the username")


def _ask_password() -> str:
    with _interruptible():
        while True:
            password = getpass("Password: ")
            if getpass("Password (again): ") == password:
                return _text(password, "the password")
            _explain("The two passwords are not the same.", is_final=False)


def _explain(wrong: str, *, is_final: bool) -> None:
    if is_final:
        raise SuperuserError(wrong)
    print(wrong, file=sys.stderr)


def _text(given: str, what: str) -> str:
    try:
        # Bytes that are no UTF-8 arrive as halves of surrogate pairs.
        given.encode()
    except UnicodeEncodeError:
        raise SuperuserError(f"{what} must be UTF-8") from None
    return given


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    # The event loop would act on Ctrl+C only once something was typed.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
