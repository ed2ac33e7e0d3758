"""All settings, from ``PATCHWAVE_<NAME>`` in the environment, then ``patchwave.toml`` in the home folder."""

import difflib
import os
import socket
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from orchestrator.core.durations import DurationOrSeconds, format_duration
from orchestrator.core.urls import without_secrets
from orchestrator.errors import SettingsInvalid

PREFIX = "PATCHWAVE_"
FILE = "patchwave.toml"


Interval = Annotated[DurationOrSeconds, Field(ge=timedelta(seconds=1))]
"""A second at least: with less, everything would be late at once."""


FeedSetting = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/ -]{0,79}$")]


def _web_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{without_secrets(url)} is no http or https URL")
    return url


WebUrl = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_web_url)]


def _words(value: object) -> object:
    """``a, b`` or ``none``, as the environment can say it; a list stays one."""
    if value == "none":
        return ()
    return [word for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _pairs(value: object) -> object:
    """``a=1, b=2``, as the environment can say it; a table stays one."""
    if not isinstance(value, str):
        return value
    found = [word.partition("=") for word in value.split(",") if word.strip()]
    if any(not sign for _name, sign, _url in found):
        raise ValueError("should be NAME=URL, with commas between several")
    return {name: url for name, _sign, url in found}


NO_SETTINGS = frozenset(
    f"{PREFIX}{name}" for name in ("ROOT", "REQUIRE_ALL", "LAB_ACCEL", "LAB_CACHE", "LAB_KPATCH", "BENCH_PEERS")
)
"""Variables of the labs, the tests and the benches. Any other that is no setting is refused: a misspelt
``PATCHWAVE_READ_ONLY`` must not go unseen."""


_PATHS = frozenset({"inventory", "ssh_config", "feed_ca_file"})
"""Settings that are paths, in the file relative to it."""


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    """Readable on a terminal, JSON elsewhere."""
    JSON = "json"
    """One JSON object a line."""
    TEXT = "text"
    """Readable."""


class Settings(BaseSettings):
    """One instance, made in `bootstrap`; nothing else reads the environment.

    Durations are written ``90s``, ``5m``, ``1h``, ``7d``.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    home: Path = Field(default_factory=lambda: Path.home() / ".patchwave")
    """Folder with ``patchwave.toml``, the database, pinned keys and patches."""
    database_url: SecretStr | None = None
    """``sqlite:////path`` or ``postgresql+psycopg://user@host/name``; default: ``patchwave.db`` in the home folder."""
    inventory: Path | None = None
    """Inventory file or folder; default: ``inventory/`` under the current folder, then in the home folder."""
    ssh_config: Path | None = None
    """An ssh_config to use in place of ``~/.ssh/config``."""
    forks: Annotated[int, Field(ge=1, le=1024)] = 64
    """How many hosts are worked on at a time."""
    check_interval: Interval = timedelta(hours=1)
    """How often `serve` checks every host."""
    deep_check_interval: Interval = timedelta(hours=12)
    """How often `serve` makes that a deep check, in which hosts ask vendors for updates, licences and coverage."""
    unknown_after: Interval = timedelta(hours=3)
    """A host not seen for this long is unknown from its last sighting on."""
    connect_timeout: Interval = timedelta(seconds=10)
    """Until the TCP connection stands."""
    banner_timeout: Interval = timedelta(seconds=15)
    """Until the SSH server has spoken."""
    auth_timeout: Interval = timedelta(seconds=20)
    """Until the login is accepted or refused."""
    check_timeout: Interval = timedelta(seconds=60)
    """For the whole check of one host, once it is connected."""
    deep_check_timeout: Interval = timedelta(minutes=5)
    """The same for a deep check."""
    max_connections: Annotated[int, Field(ge=1, le=65536)] = 256
    """Kept SSH connections in all; the least recently used go first."""
    read_only: bool = False
    """Checks, exposure and plans work; every change of a host is refused."""
    controller: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        default_factory=lambda: socket.gethostname()[:64] or "controller"
    )
    """This controller's name, written into the lock on every host it changes."""
    accept_risk_at_most: Interval = timedelta(days=365)
    """The longest that a risk may be accepted for."""
    feeds: Annotated[tuple[FeedSetting, ...] | None, BeforeValidator(_words)] = None
    """Feeds that are synced, with commas between, or ``none``; default: all of which the fleet needs anything."""
    feed_interval: Interval = timedelta(hours=6)
    """How often `serve` syncs them."""
    feed_urls: Annotated[Mapping[FeedSetting, WebUrl], BeforeValidator(_pairs)] = {}
    """Mirrors by feed, or by part of one: ``NAME=URL`` with commas between, in the file a table."""
    feed_proxy: SecretStr | None = None
    """The proxy for feeds, ``http://user:password@host:port``; default: what ``HTTPS_PROXY`` and its kin say."""
    feed_ca_file: Path | None = None
    """Certificates (PEM) of authorities to trust for feeds, besides the well-known ones."""
    feed_max_bytes: Annotated[int, Field(ge=1_000_000)] = 2 << 30
    """A feed's file that is larger is refused."""
    metrics_per_host: bool = False
    """Adds a gauge per host to ``/metrics``."""
    log_format: LogFormat = LogFormat.AUTO
    """``json``, ``text``, or ``auto``: text on a terminal."""
    log_level: Annotated[str, Field(pattern=r"^(debug|info|warning|error)$")] = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` hands in: it must know where each value came from."""
        return (init_settings,)

    @property
    def database(self) -> str:
        """The database URL in effect, password included: never print it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home / 'patchwave.db'}"

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys."""
        return self.home / "known_hosts"

    @property
    def feed_files(self) -> Path:
        """Where feeds are downloaded to."""
        return self.home / "feeds"

    @property
    def patches(self) -> Path:
        """The catalogue's modules."""
        return self.home / "patches"

    def inventory_path(self, folder: Path) -> Path:
        """The inventory in effect for somebody standing in ``folder``."""
        if self.inventory is not None:
            return self.inventory
        here = folder / "inventory"
        return here if here.exists() else self.home / "inventory"


class Origin(StrEnum):
    """Where a setting came from."""

    OPTION = "option"
    """A command-line option."""
    ENVIRONMENT = "environment"
    """A PATCHWAVE_ variable."""
    FILE = "file"
    """patchwave.toml."""
    DEFAULT = "default"
    """Nobody set it."""


Origins = dict[str, Origin]


def load_settings(environ: Mapping[str, str], home: Path | None = None) -> tuple[Settings, Origins]:
    """The settings and where each came from. Raises `SettingsInvalid` naming the variable, or file and key."""
    from_env = _from_environment(environ)
    origins = dict.fromkeys(Settings.model_fields, Origin.DEFAULT)
    values: dict[str, Any] = {}
    folder = home or Path(from_env.get("home") or Settings.model_fields["home"].get_default(call_default_factory=True))
    file = folder.expanduser() / FILE
    for origin, layer in ((Origin.FILE, _from_file(file)), (Origin.ENVIRONMENT, from_env)):
        values |= layer
        origins |= dict.fromkeys(layer, origin)
    if home is not None:
        origins["home"] = Origin.OPTION
    values["home"] = folder
    try:
        settings = Settings(**{name: _expand(name, value) for name, value in values.items()})
    except ValidationError as exc:
        raise _invalid(exc, origins, file) from exc
    return settings, origins


def shown(settings: Settings) -> dict[str, str]:
    """Every setting as text, secrets masked."""
    return {name: _show(getattr(settings, name)) for name in Settings.model_fields}


def _show(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={without_secrets(url)}" for name, url in value.items())
    return str(value)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for variable, text in environ.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or text == "" or variable in NO_SETTINGS:
            continue
        if name not in Settings.model_fields:
            near = difflib.get_close_matches(name, Settings.model_fields, n=1)
            hint = f"; is {PREFIX}{near[0].upper()} meant?" if near else ": see docs/reference/settings.md"
            raise SettingsInvalid(f"there is no such setting{hint}", field=variable)
        found[name] = text
    return found


def _from_file(file: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise SettingsInvalid(f"not valid TOML: {exc}", file=str(file)) from exc
    except OSError as exc:
        raise SettingsInvalid(f"cannot be read: {exc.strerror}", file=str(file)) from exc
    for name in data:
        if name not in Settings.model_fields or name == "home":
            known = ", ".join(sorted(set(Settings.model_fields) - {"home"}))
            raise SettingsInvalid(f"no such setting; there are: {known}", file=str(file), field=name)
    return {
        name: str(file.parent / value) if name in _PATHS and isinstance(value, str) else value
        for name, value in data.items()
    }


def _expand(name: str, value: Any) -> Any:
    if name in {"home", *_PATHS} and isinstance(value, str | Path):
        return Path(os.path.expanduser(value)).absolute()  # noqa: PTH111  Path.expanduser fails on an unknown user
    return value


def _invalid(exc: ValidationError, origins: Origins, file: Path) -> SettingsInvalid:
    first = exc.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else None
    message = first["msg"].removeprefix("Value error, ")
    if name is not None and origins.get(name) is Origin.ENVIRONMENT:
        return SettingsInvalid(message, field=PREFIX + name.upper())
    return SettingsInvalid(message, file=str(file), field=name)
