"""Passwords: how they are stored, and which are rejected."""

import asyncio
import unicodedata

from argon2 import PasswordHasher

from service.admin.passwords import Passwords
from service.errors import Problem

from . import CHEAP, PASSWORD

PASSWORDS = Passwords(CHEAP)


async def test_what_is_stored_is_a_salted_argon2_hash() -> None:
    first, second = await PASSWORDS.digest(PASSWORD), await PASSWORDS.digest(PASSWORD)
    assert first.startswith("$argon2id$")
    assert first != second
    assert PASSWORD not in first
    assert await PASSWORDS.verify(first, PASSWORD)
    assert not await PASSWORDS.verify(first, PASSWORD.upper())
    for stored in (None, "hash of ann", "$argon2id$v=19$m=65536,t=3,p=4$broken"):
        assert not await PASSWORDS.verify(stored, PASSWORD), stored


async def test_a_password_may_be_composed_by_any_keyboard() -> None:
    composed, decomposed = (unicodedata.normalize(form, "зелёный чайник") for form in ("NFC", "NFD"))
    for first, second in ((composed, decomposed), (decomposed, composed)):
        assert await PASSWORDS.verify(await PASSWORDS.digest(first), second)


def test_hashes_have_the_parameters_of_argon2_cffi() -> None:
    assert not Passwords().is_outdated(PasswordHasher().hash(PASSWORD))
    assert Passwords().is_outdated(PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD))
    # To verify a password of nobody costs the same.
    for created in (PASSWORDS, Passwords()):
        assert not created.is_outdated(created.hash_of_nobody)


async def test_a_password_that_is_hard_to_guess_is_accepted() -> None:
    for password in (PASSWORD, "зелёный чайник", "tr0ub4dor&3x", "kN8#qv2!Lr", "kN8#qv2!Lr" * 100, "纸 马 书 桥 雨 灯"):
        assert await PASSWORDS.weakness("alice", password) is None


async def test_a_weak_password_is_rejected_with_the_reason() -> None:
    name = "zhvqkmwtxa"
    for text, username, passwords in (
        ("too short", "alice", ["", "kN8#qv2!L", "e\u0301" * 9]),
        ("too long", "alice", ["kN8#qv2!Lr" * 100 + "x"]),
        ("digits alone", "alice", ["84917305628140", "٨٤٩١٧٣٠٥٦٢٨١٤٠"]),
        ("too easy", "alice", ["password123", "P@ssw0rd2026", "qwertyuiop[]", "a" * 23, "a" * 1000]),
        ("too easy", name, [name, f"{name.upper()}1"]),
        ("too easy", f"{name}@example.com", [f"{name}@example.com"]),
        ("too easy", name * 10, [name * 10]),
    ):
        for password in passwords:
            assert text in (await PASSWORDS.weakness(username, password) or ""), password


async def test_each_password_is_rated_with_its_own_username() -> None:
    name = "zhvqkmwtxa"
    rated = await asyncio.gather(*(PASSWORDS.weakness(username, name) for username in [name, "alice"] * 10))
    assert [weakness is None for weakness in rated] == [False, True] * 10


async def test_the_event_loop_runs_while_a_password_is_hashed() -> None:
    hashed = asyncio.create_task(Passwords(PasswordHasher(memory_cost=1024, time_cost=20)).digest(PASSWORD))
    turns = 0
    while not hashed.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100


async def test_more_requests_than_the_queue_holds_are_rejected() -> None:
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), threads=2, max_queued=3)
    results = await asyncio.gather(*(passwords.digest(str(n)) for n in range(8)), return_exceptions=True)
    rejected = [result for result in results if isinstance(result, BaseException)]
    assert [type(result) for result in rejected] == [Problem] * 3
    assert await passwords.verify(str(results[0]), "0")
