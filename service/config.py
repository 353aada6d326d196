"""Configuration from the environment and the file `.env`."""

import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

import dotenv

_LOG_LEVELS = ("debug", "info", "warning", "error")
_POSTGRES = ("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD")
_MAX_PORT = 65535
_MAX_DIGITS = 9
_MAX_WORKERS = 256
_SWITCH = {"on": True, "off": False}
_AUTH = {"required": True, "off": False}
_Default = TypeVar("_Default", bool, bool | None)
_HOST_NAME = re.compile(r"[\w.-]+")


class ConfigError(ValueError):
    """A variable has a value that is not valid; the text says what is."""


@dataclass(frozen=True)
class Config:
    """The service's configuration.

    Without a `database_url` the embedded PostgreSQL is used. `auth` is None where AUTH is not set.
    """

    database_url: str | None = field(default=None, repr=False)
    data_dir: Path = Path(".data")
    host: str = "127.0.0.1"
    port: int = 8000
    log_level: str = "info"
    workers: int = 1
    tls_proxy: bool = False
    auth: bool | None = None
    traces_to: str | None = None


def from_environment() -> Config:
    """The configuration of this process. Raises ConfigError.

    The environment takes precedence over `.env`; an empty variable counts as not set.
    """
    merged = {**dotenv.dotenv_values(".env"), **os.environ}
    return from_mapping({name: value for name, value in merged.items() if value})


def from_mapping(env: Mapping[str, str]) -> Config:
    """The configuration of a mapping of variables to values. Raises ConfigError."""
    default = Config()
    log_level = (env.get("LOG_LEVEL") or default.log_level).lower()
    if log_level not in _LOG_LEVELS:
        raise ConfigError(f"LOG_LEVEL must be one of {', '.join(_LOG_LEVELS)}; got {log_level!r}")
    return Config(
        database_url=_database_url(env),
        data_dir=Path(env.get("DATA_DIR") or default.data_dir),
        host=env.get("HOST") or default.host,
        port=_integer(env, "PORT", default.port, 0, _MAX_PORT),
        log_level=log_level,
        workers=_integer(env, "WORKERS", default.workers, 1, _MAX_WORKERS),
        tls_proxy=_choice(env, "TLS_PROXY", _SWITCH, default.tls_proxy),
        auth=_choice(env, "AUTH", _AUTH, default.auth),
        traces_to=_traces_to(env.get("OTEL_EXPORTER_OTLP_ENDPOINT")),
    )


def _traces_to(url: str | None) -> str | None:
    if not url:
        return None
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
        raise ConfigError(f"OTEL_EXPORTER_OTLP_ENDPOINT must be a URL such as http://127.0.0.1:4318; got {url!r}")
    if importlib.util.find_spec("opentelemetry") is None:
        raise ConfigError("OTEL_EXPORTER_OTLP_ENDPOINT requires OpenTelemetry: pip install 'wallets[otel]'")
    return url


def _integer(env: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = env.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS and least <= int(text) <= most):
        raise ConfigError(f"{name} must be a number from {least} to {most}; got {text!r}")
    return int(text)


def _choice(env: Mapping[str, str], name: str, choices: Mapping[str, bool], default: _Default) -> bool | _Default:
    text = env.get(name)
    if not text:
        return default
    if text.lower() not in choices:
        raise ConfigError(f"{name} must be {' or '.join(choices)}; got {text!r}")
    return choices[text.lower()]


def _database_url(env: Mapping[str, str]) -> str | None:
    if url := env.get("DATABASE_URL"):
        if not _is_database_url(url):
            # Without the value: it may contain a password.
            raise ConfigError(
                "DATABASE_URL must look like postgres://user:password@host:5432/database, "
                "with special characters percent-encoded"
            )
        return url

    given = [name for name in _POSTGRES if env.get(name)]
    if not given:
        return None
    missing = [name for name in ("POSTGRES_HOST", "POSTGRES_DB", "POSTGRES_USER") if name not in given]
    if missing:
        raise ConfigError(
            f"{', '.join(given)} set without {', '.join(missing)}: set all of them, or none for the embedded PostgreSQL"
        )
    user, name, password = (
        quote(env.get(key, ""), safe="") for key in ("POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD")
    )
    credentials = f"{user}:{password}" if password else user
    host = env["POSTGRES_HOST"]
    port = _integer(env, "POSTGRES_PORT", 5432, 1, _MAX_PORT)
    if host.startswith("/"):
        return f"postgres://{credentials}@/{name}?host={quote(host)}&port={port}"
    if not (_HOST_NAME.fullmatch(host) or _is_ipv6(host)):
        raise ConfigError(f"POSTGRES_HOST must be a name, an address or the path of a directory; got {host!r}")
    return f"postgres://{credentials}@{f'[{host}]' if ':' in host else host}:{port}/{name}"


def _is_database_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError
    except ValueError:
        return False
    return parts.scheme in ("postgres", "postgresql") and parts.path.strip("/") != ""


def _is_ipv6(host: str) -> bool:
    try:
        return IPv6Address(host).scope_id is None
    except ValueError:
        return False
