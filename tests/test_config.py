"""Configuration: what each variable says, and what is refused."""

import inspect
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from asyncpg import connect_utils

from service import config
from service.config import Config, ConfigError, from_mapping

POSTGRES = {"POSTGRES_HOST": "db", "POSTGRES_DB": "wallets", "POSTGRES_USER": "alice"}


class Target(NamedTuple):
    """Where a URL leads."""

    address: Any
    user: str
    password: str | None
    database: str


def target(url: str | None) -> Target:
    """What the driver makes of a URL."""
    assert url is not None
    parse = connect_utils._parse_connect_dsn_and_args
    nothing = dict.fromkeys(inspect.signature(parse).parameters)
    addresses, parameters = parse(**{**nothing, "dsn": url, "ssl": False})
    (address,) = addresses
    return Target(address, parameters.user, parameters.password, parameters.database)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    names = (
        "DATABASE_URL",
        "DATA_DIR",
        "HOST",
        "PORT",
        "LOG_LEVEL",
        "WORKERS",
        "TLS_PROXY",
        "AUTH",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        *config._POSTGRES,
    )
    for name in (*names, "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)


def test_everything_has_a_default() -> None:
    assert from_mapping({}) == Config(
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


def test_every_variable_is_taken() -> None:
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


def test_an_empty_variable_counts_as_unset() -> None:
    names = (
        "DATABASE_URL",
        "DATA_DIR",
        "HOST",
        "PORT",
        "LOG_LEVEL",
        "WORKERS",
        "TLS_PROXY",
        "AUTH",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        *config._POSTGRES,
    )
    assert from_mapping(dict.fromkeys(names, "")) == Config()


@pytest.mark.parametrize("text", ["yes", "1", "true", "on "])
def test_a_switch_is_on_or_off(text: str) -> None:
    with pytest.raises(ConfigError, match=f"TLS_PROXY has to be on or off, not '{text}'"):
        from_mapping({"TLS_PROXY": text})


def test_auth_is_required_or_off_or_not_said() -> None:
    assert [from_mapping({"AUTH": text}).auth for text in ("required", "off", "")] == [True, False, None]
    with pytest.raises(ConfigError, match="AUTH has to be required or off, not 'on'"):
        from_mapping({"AUTH": "on"})


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_every_log_level_is_taken(level: str) -> None:
    assert from_mapping({"LOG_LEVEL": level}).log_level == level


@pytest.mark.parametrize(("name", "text"), [("PORT", "0"), ("PORT", "65535"), ("WORKERS", "1"), ("WORKERS", "256")])
def test_a_number_is_taken_up_to_its_limits(name: str, text: str) -> None:
    assert getattr(from_mapping({name: text}), name.lower()) == int(text)


@pytest.mark.parametrize("text", ["x", "-1", "+1", "1.0", " 80", "0x50", "٨٠", "1_000", "65536", "9" * 5000])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="PORT has to be a number from 0 to 65535, not "):
        from_mapping({"PORT": text})


@pytest.mark.parametrize("text", ["0", "257", "two"])
def test_a_senseless_number_of_workers_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"WORKERS has to be a number from 1 to 256, not '{text}'"):
        from_mapping({"WORKERS": text})


@pytest.mark.parametrize("text", ["verbose", "10", "info,debug"])
def test_an_unknown_log_level_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"LOG_LEVEL has to be one of debug, info, warning, error, not '{text}'"):
        from_mapping({"LOG_LEVEL": text})


@pytest.mark.parametrize(
    "url",
    [
        "postgres://alice@db/wallets",
        "postgresql://alice:s%2Fcret@db:5433/wallets?sslmode=require",
        "postgres://alice@[::1]:5432/wallets",
        "postgres://alice@/wallets?host=/run/postgresql&port=5432",
        "postgres:///wallets",
    ],
)
def test_a_database_url_is_taken_as_it_is(url: str) -> None:
    assert from_mapping({"DATABASE_URL": url}).database_url == url


def test_a_database_url_overrides_the_other_variables() -> None:
    url = "postgres://bob@elsewhere/money"
    assert from_mapping({**POSTGRES, "DATABASE_URL": url}).database_url == url
    assert from_mapping({"POSTGRES_PORT": "nonsense", "DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    "url",
    [
        "wallets",
        "hunter2",
        "postgres://",
        "postgres://alice:hunter2@db",
        "postgres://alice:hunter2@db/",
        "mysql://alice:hunter2@db/wallets",
        "sqlite:///hunter2.db",
        "postgres://alice:hunter2@db:99999/wallets",
        "postgres://alice:hunter2@db:port/wallets",
        "postgres://alice:hun/ter2@db/wallets",
        "postgres://alice:hun#ter2@db/wallets",
        "postgres://alice:hun?ter2@db/wallets",
        "postgres://alice:hun[ter2@db/wallets",
        "postgres://alice:hun[te]r2@db/wallets",
        "postgres://alice:hunter2@[::1/wallets",
    ],
)
def test_a_database_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        from_mapping({"DATABASE_URL": url})
    assert str(refusal.value) == (
        "DATABASE_URL has to look like postgres://user:password@host:5432/database, "
        "with special characters percent-encoded"
    )
    # Nor does a traceback.
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None or refusal.value.__suppress_context__


def test_the_postgres_variables_make_a_url() -> None:
    url = from_mapping({**POSTGRES, "POSTGRES_PORT": "5433", "POSTGRES_PASSWORD": "hunter2"}).database_url
    assert url == "postgres://alice:hunter2@db:5433/wallets"


def test_password_and_port_may_be_left_out() -> None:
    assert target(from_mapping(POSTGRES).database_url) == Target(("db", 5432), "alice", None, "wallets")


@pytest.mark.parametrize("special", ["p@ss:w/rd?#[1]%41&=+ ", "пароль", "%", "'\"\\", "$x${y}", "a:b@c"])
def test_special_characters_reach_the_driver_as_they_are(special: str) -> None:
    given = {
        **POSTGRES,
        "POSTGRES_USER": f"u{special}",
        "POSTGRES_PASSWORD": f"p{special}",
        "POSTGRES_DB": f"d{special}",
    }
    found = target(from_mapping(given).database_url)
    assert found == Target(("db", 5432), f"u{special}", f"p{special}", f"d{special}")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("db.example-1.org", ("db.example-1.org", 6000)),
        ("my_db", ("my_db", 6000)),
        ("10.0.0.1", ("10.0.0.1", 6000)),
        ("::1", ("::1", 6000)),
        ("2001:db8::42", ("2001:db8::42", 6000)),
        ("/run/postgresql", "/run/postgresql/.s.PGSQL.6000"),
        ("/srv/with blank?&%#", "/srv/with blank?&%#/.s.PGSQL.6000"),
    ],
)
def test_a_host_is_a_name_an_address_or_a_directory(host: str, address: object) -> None:
    url = from_mapping({**POSTGRES, "POSTGRES_HOST": host, "POSTGRES_PORT": "6000"}).database_url
    assert target(url) == Target(address, "alice", None, "wallets")


@pytest.mark.parametrize(
    "host", ["db:5432", "a b", "a/b", "bob@db", "db?x", "db#x", "[::1]", "::1%eth0", "a,b", "db\n"]
)
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="POSTGRES_HOST has to be a name, an address or the path of a directory, not"):
        from_mapping({**POSTGRES, "POSTGRES_HOST": host})


@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_a_port_of_postgres_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(ConfigError, match=f"POSTGRES_PORT has to be a number from 1 to 65535, not '{port}'"):
        from_mapping({**POSTGRES, "POSTGRES_PORT": port})


@pytest.mark.parametrize("missing", ["POSTGRES_HOST", "POSTGRES_DB", "POSTGRES_USER"])
def test_a_part_of_the_postgres_variables_is_refused(missing: str) -> None:
    given = {name: value for name, value in POSTGRES.items() if name != missing}
    with pytest.raises(ConfigError, match=f"{', '.join(given)} set without {missing}: "):
        from_mapping(given)


@pytest.mark.parametrize(("name", "value"), [("POSTGRES_PASSWORD", "hunter2"), ("POSTGRES_PORT", "5432")])
def test_one_postgres_variable_alone_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} set without POSTGRES_HOST, POSTGRES_DB, POSTGRES_USER") as refusal:
        from_mapping({name: value})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "given", [{"DATABASE_URL": "postgres://alice:hunter2@db/wallets"}, {**POSTGRES, "POSTGRES_PASSWORD": "hunter2"}]
)
def test_a_configuration_is_shown_without_its_password(given: dict[str, str]) -> None:
    settings = from_mapping(given)
    assert settings.database_url is not None
    assert "hunter2" in settings.database_url
    assert "hunter2" not in f"{settings} {settings!r}"


def test_without_a_file_the_environment_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "81")
    assert config.from_environment() == Config(port=81)


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# ours\nPORT=81\nexport WORKERS='2'\nHOST=\nLOG_LEVEL\n")
    assert config.from_environment() == Config(port=81, workers=2)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PORT=81\nWORKERS=2\n")
    monkeypatch.setenv("PORT", "82")
    assert config.from_environment() == Config(port=82, workers=2)


def test_an_empty_variable_of_the_environment_hides_the_one_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgres://alice@db/wallets\n")
    monkeypatch.setenv("DATABASE_URL", "")
    assert config.from_environment() == Config()


def test_reading_a_file_leaves_the_environment_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PORT=81\n")
    config.from_environment()
    (tmp_path / ".env").unlink()
    assert config.from_environment() == Config()


def test_nonsense_in_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=eighty\n")
    with pytest.raises(ConfigError, match="PORT has to be a number from 0 to 65535, not 'eighty'"):
        config.from_environment()
