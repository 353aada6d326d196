"""Configuration: what each variable sets, and what is rejected."""

import inspect
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from asyncpg import connect_utils

from service import config
from service.config import Config, ConfigError, from_mapping

POSTGRES = {"POSTGRES_HOST": "db", "POSTGRES_DB": "wallets", "POSTGRES_USER": "alice"}
NAMES = (
    *("DATABASE_URL", "DATA_DIR", "HOST", "PORT", "LOG_LEVEL", "WORKERS", "TLS_PROXY", "AUTH"),
    *("OTEL_EXPORTER_OTLP_ENDPOINT", *config._POSTGRES),
)


class Target(NamedTuple):
    """What a URL connects to."""

    address: Any
    user: str
    password: str | None
    database: str


def target(url: str | None) -> Target:
    """What the driver reads from a URL."""
    assert url is not None
    parse = connect_utils._parse_connect_dsn_and_args
    nothing = dict.fromkeys(inspect.signature(parse).parameters)
    addresses, parameters = parse(**{**nothing, "dsn": url, "ssl": False})
    (address,) = addresses
    return Target(address, parameters.user, parameters.password, parameters.database)


def assert_rejected(given: dict[str, str], *parts: str) -> str:
    """Expects one line that contains these parts in order; gives it."""
    with pytest.raises(ConfigError) as error:
        from_mapping(given)
    assert re.search(".*".join(map(re.escape, parts)), str(error.value)), (given, str(error.value))
    assert error.value.__cause__ is None
    assert error.value.__context__ is None or error.value.__suppress_context__
    return str(error.value)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*NAMES, "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)


def test_everything_has_a_default() -> None:
    default = Config(
        database_url=None,
        data_dir=Path(".data"),
        host="127.0.0.1",
        port=8000,
        log_level="info",
        workers=1,
        tls_proxy=False,
        auth=None,
        traces_to=None,
    )
    assert from_mapping({}) == from_mapping(dict.fromkeys(NAMES, "")) == default


def test_every_variable_is_used() -> None:
    given = {
        "DATABASE_URL": "postgres://alice@db/wallets",
        "DATA_DIR": "/srv/wallets",
        "HOST": "::",
        "PORT": "80",
        "LOG_LEVEL": "WARNING",
        "WORKERS": "4",
        "TLS_PROXY": "On",
        "AUTH": "Required",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    }
    assert from_mapping(given) == Config(
        "postgres://alice@db/wallets", Path("/srv/wallets"), "::", 80, "warning", 4, True, True, "http://127.0.0.1:4318"
    )


def test_valid_values_are_accepted() -> None:
    for name, text, value in (
        *(("LOG_LEVEL", level, level) for level in ("debug", "info", "warning", "error")),
        *(("PORT", text, int(text)) for text in ("0", "65535")),
        *(("WORKERS", text, int(text)) for text in ("1", "256")),
        *(("AUTH", "off", False), ("TLS_PROXY", "off", False)),
    ):
        assert getattr(from_mapping({name: text}), name.lower()) == value


def test_other_values_are_rejected() -> None:
    ports = ["x", "-1", "+1", "1.0", " 80", "0x50", "٨٠", "1_000", "65536", "9" * 5000]
    hosts = ["db:5432", "a b", "a/b", "bob@db", "db?x", "db#x", "[::1]", "::1%eth0", "a,b", "db\n"]
    for name, texts, expected in (
        ("TLS_PROXY", ["yes", "1", "true", "on "], "on or off"),
        ("AUTH", ["on", "yes"], "required or off"),
        ("PORT", ports, "0"),
        ("PORT", ports, "65535"),
        ("WORKERS", ["0", "257", "two"], "1"),
        ("WORKERS", ["0", "257", "two"], "256"),
        ("LOG_LEVEL", ["verbose", "10", "info,debug"], "debug, info, warning"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ["collector:4318", "ftp://collector", "http://"], "http://"),
    ):
        for text in texts:
            assert_rejected({name: text}, name, expected, repr(text))
    for host in hosts:
        assert_rejected(POSTGRES | {"POSTGRES_HOST": host}, "POSTGRES_HOST", "name", "address", repr(host))
    for port in ("0", "65536", "x"):
        assert_rejected(POSTGRES | {"POSTGRES_PORT": port}, "POSTGRES_PORT", "1", "65535", repr(port))


def test_a_database_url_is_used_as_it_is() -> None:
    for url in (
        "postgres://alice@db/wallets",
        "postgresql://alice:s%2Fcret@db:5433/wallets?sslmode=require",
        "postgres://alice@[::1]:5432/wallets",
        "postgres://alice@/wallets?host=/run/postgresql&port=5432",
        "postgres:///wallets",
    ):
        for others in ({}, POSTGRES, {"POSTGRES_PORT": "nonsense"}):
            assert from_mapping({**others, "DATABASE_URL": url}).database_url == url


def test_a_malformed_database_url_is_rejected_and_not_shown() -> None:
    for url in (
        *("wallets", "hunter2", "postgres://", "postgres://alice:hunter2@db", "postgres://alice:hunter2@db/"),
        *("mysql://alice:hunter2@db/wallets", "sqlite:///hunter2.db", "postgres://alice:hunter2@db:99999/wallets"),
        *("postgres://alice:hunter2@db:port/wallets", "postgres://alice:hunter2@[::1/wallets"),
        *(f"postgres://alice:hun{text}ter2@db/wallets" for text in ("/", "#", "?", "[", "[te]r2")),
    ):
        message = assert_rejected({"DATABASE_URL": url}, "DATABASE_URL ", "postgres://user:password@host:5432/database")
        assert not re.search("hun|alice", message)


def test_the_postgres_variables_become_a_url() -> None:
    url = from_mapping({**POSTGRES, "POSTGRES_PORT": "5433", "POSTGRES_PASSWORD": "hunter2"}).database_url
    assert url == "postgres://alice:hunter2@db:5433/wallets"
    assert target(from_mapping(POSTGRES).database_url) == Target(("db", 5432), "alice", None, "wallets")


def test_special_characters_reach_the_driver_unchanged() -> None:
    for special in ("p@ss:w/rd?#[1]%41&=+ ", "пароль", "%", "'\"\\", "$x${y}", "a:b@c"):
        user, password, database = (f"{first}{special}" for first in "upd")
        given = {"POSTGRES_USER": user, "POSTGRES_PASSWORD": password, "POSTGRES_DB": database}
        found = target(from_mapping(POSTGRES | given).database_url)
        assert found == Target(("db", 5432), user, password, database)


def test_a_host_is_a_name_an_address_or_a_directory() -> None:
    for host in ("db.example-1.org", "my_db", "10.0.0.1", "::1", "2001:db8::42"):
        url = from_mapping(POSTGRES | {"POSTGRES_HOST": host, "POSTGRES_PORT": "6000"}).database_url
        assert target(url) == Target((host, 6000), "alice", None, "wallets")
    for host in ("/run/postgresql", "/srv/with blank?&%#"):
        url = from_mapping(POSTGRES | {"POSTGRES_HOST": host, "POSTGRES_PORT": "6000"}).database_url
        assert target(url) == Target(f"{host}/.s.PGSQL.6000", "alice", None, "wallets")


def test_incomplete_postgres_variables_are_rejected() -> None:
    for missing in POSTGRES:
        given = {name: value for name, value in POSTGRES.items() if name != missing}
        assert_rejected(given, ", ".join(given), f"without {missing}")
    for name, value in (("POSTGRES_PASSWORD", "hunter2"), ("POSTGRES_PORT", "5432")):
        message = assert_rejected({name: value}, name, "without POSTGRES_HOST, POSTGRES_DB, POSTGRES_USER")
        assert "hunter2" not in message


def test_a_configuration_is_shown_without_its_password() -> None:
    for given in (
        {"DATABASE_URL": "postgres://alice:hunter2@db/wallets"},
        {**POSTGRES, "POSTGRES_PASSWORD": "hunter2"},
    ):
        settings = from_mapping(given)
        assert "hunter2" in str(settings.database_url)
        assert "hunter2" not in f"{settings} {settings!r}"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("# ours\nPORT=81\nexport WORKERS='2'\nHOST=\nLOG_LEVEL\nAUTH=off\n")
    assert config.from_environment() == Config(port=81, workers=2, auth=False)
    monkeypatch.setenv("PORT", "82")
    monkeypatch.setenv("AUTH", "")  # hides the file's
    assert config.from_environment() == Config(port=82, workers=2)
    file.unlink()
    assert config.from_environment() == Config(port=82)  # reading the file left the environment as it was
    file.write_text("WORKERS=two\n")
    with pytest.raises(ConfigError, match="WORKERS"):
        config.from_environment()
