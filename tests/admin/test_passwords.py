"""Passwords: what is kept of them, and which are refused."""

import asyncio

import pytest
from argon2 import PasswordHasher

from service.admin import passwords
from service.errors import Problem

from . import PASSWORD


async def test_what_is_kept_is_a_salted_argon2_hash() -> None:
    first, second = await passwords.digest(PASSWORD), await passwords.digest(PASSWORD)
    assert first.startswith("$argon2id$")
    assert first != second
    assert PASSWORD not in first
    assert await passwords.verify(first, PASSWORD)
    assert not await passwords.verify(first, PASSWORD.upper())


@pytest.mark.parametrize("stored", [None, "hash of ann", "$argon2id$v=19$m=65536,t=3,p=4$broken"])
async def test_no_password_is_that_of_nobody_nor_of_a_hash_that_is_none(stored: str | None) -> None:
    assert not await passwords.verify(stored, PASSWORD)


async def test_what_a_name_that_nobody_has_is_compared_with_costs_what_ours_cost() -> None:
    assert not passwords.is_outdated(passwords._NOBODY)


def test_a_hash_made_with_other_parameters_is_outdated() -> None:
    assert passwords.is_outdated(PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD))


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "зелёный чайник",
        "tr0ub4dor&3x",
        "kN8#qv2!Lr",
        "kN8#qv2!Lr" * 100,
        "纸 马 书 桥 雨 灯",
    ],
)
async def test_what_is_hard_to_guess_will_do(password: str) -> None:
    assert await passwords.weakness("alice", password) is None


@pytest.mark.parametrize(
    ("username", "password", "text"),
    [
        ("alice", "", "too short"),
        ("alice", "kN8#qv2!L", "too short"),
        ("alice", "e\u0301" * 9, "too short"),
        ("alice", "kN8#qv2!Lr" * 100 + "x", "too long"),
        ("alice", "84917305628140", "digits alone"),
        ("alice", "٨٤٩١٧٣٠٥٦٢٨١٤٠", "digits alone"),
        ("alice", "password123", "too easy to guess"),
        ("alice", "P@ssw0rd2026", "too easy to guess"),
        ("alice", "qwertyuiop[]", "too easy to guess"),
        ("alice", "aaaaaaaaaaaaaaaaaaaaaaa", "too easy to guess"),
        ("alice", "a" * 1000, "too easy to guess"),
        ("zhvqkmwtxa", "zhvqkmwtxa", "too easy to guess"),
        ("zhvqkmwtxa", "ZHVQKMWTXA1", "too easy to guess"),
        ("zhvqkmwtxa@example.com", "zhvqkmwtxa@example.com", "too easy to guess"),
        ("zhvqkmwtxa" * 10, "zhvqkmwtxa" * 10, "too easy to guess"),
    ],
)
async def test_what_is_easy_to_guess_is_refused_with_the_reason(username: str, password: str, text: str) -> None:
    assert text in (await passwords.weakness(username, password) or "")


async def test_one_username_is_no_reason_against_another_ones_password() -> None:
    name = "zhvqkmwtxa"
    judged = await asyncio.gather(
        *(passwords.weakness(username, name) for username in [name, "alice"] * 10),
    )
    assert [weakness is None for weakness in judged] == [False, True] * 10


async def test_the_event_loop_goes_on_meanwhile() -> None:
    hashed = asyncio.create_task(passwords.digest(PASSWORD))
    turns = 0
    while not hashed.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100


async def test_more_than_can_wait_are_told_to_come_again() -> None:
    places = passwords._THREADS + passwords._MOST_WAITING
    answers = await asyncio.gather(*(passwords.digest(str(n)) for n in range(places + 3)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 3
    assert {type(answer) for answer in refused} == {Problem}
    assert await passwords.verify(answers[0] if isinstance(answers[0], str) else None, "0")
