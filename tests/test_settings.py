"""Settings: from the environment, then the file, then the default; and what is wrong says where."""

from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.errors import SettingsInvalid
from orchestrator.settings import FILE, Origin, Settings, load_settings, shown


def written(folder: Path, text: str) -> Path:
    """A home folder with that settings file."""
    folder.mkdir(exist_ok=True)
    (folder / FILE).write_text(text)
    return folder


def test_defaults_without_anything(tmp_path: Path) -> None:
    """Every one of them says that nobody set it."""
    settings, origins = load_settings({}, tmp_path)
    assert (64, timedelta(hours=1), timedelta(hours=3), False) == (
        settings.forks,
        settings.check_interval,
        settings.unknown_after,
        settings.read_only,
    )
    assert {Origin.DEFAULT} == {origin for name, origin in origins.items() if name != "home"}
    assert set(Settings.model_fields) == set(origins)


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    """An empty variable counts as none."""
    home = written(tmp_path, 'forks = 3\ncheck_interval = "5m"\n')
    environ = {"PATCHWAVE_FORKS": "9", "PATCHWAVE_CHECK_INTERVAL": "", "PATCHWAVE_REQUIRE_ALL": "1", "FORKS": "1"}

    settings, origins = load_settings(environ, home)

    assert (9, timedelta(minutes=5)) == (settings.forks, settings.check_interval)
    assert (Origin.ENVIRONMENT, Origin.FILE, Origin.OPTION) == (
        origins["forks"],
        origins["check_interval"],
        origins["home"],
    )


def test_the_home_of_the_option_goes_before_the_variable(tmp_path: Path) -> None:
    """And is where the file is read."""
    home = written(tmp_path / "option", "forks = 3\n")
    written(tmp_path / "variable", "forks = 4\n")
    environ = {"PATCHWAVE_HOME": str(tmp_path / "variable")}

    assert 3 == load_settings(environ, home)[0].forks
    settings, origins = load_settings(environ)
    assert (4, tmp_path / "variable", Origin.ENVIRONMENT) == (settings.forks, settings.home, origins["home"])


def test_paths_in_the_file_are_relative_to_the_file(tmp_path: Path) -> None:
    """Wherever the command is run from; a tilde is the home of the account."""
    home = written(tmp_path, 'inventory = "hosts"\nssh_config = "~/x"\n')
    settings, _ = load_settings({}, home)
    assert tmp_path / "hosts" == settings.inventory


def test_the_inventory_in_effect(tmp_path: Path) -> None:
    """The setting; else the one here, if there is one; else the one at home."""
    home, here = tmp_path / "home", tmp_path / "here"
    settings, _ = load_settings({}, home)
    assert home / "inventory" == settings.inventory_path(here)
    (here / "inventory").mkdir(parents=True)
    assert here / "inventory" == settings.inventory_path(here)
    chosen, _ = load_settings({"PATCHWAVE_INVENTORY": "/etc/hosts.yml"}, home)
    assert Path("/etc/hosts.yml") == chosen.inventory_path(here)


def test_the_database_in_effect(tmp_path: Path) -> None:
    """SQLite at home unless another one is named, whose password is never shown."""
    assert f"sqlite:///{tmp_path}/patchwave.db" == load_settings({}, tmp_path)[0].database
    url = "postgresql+psycopg://me:hunter2@db/patchwave"
    settings, _ = load_settings({"PATCHWAVE_DATABASE_URL": url}, tmp_path)
    assert url == settings.database
    assert "hunter2" not in f"{settings!r} {shown(settings)}"


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("forks = 0", "forks", "greater than or equal to 1"),
        ("forks = 100000", "forks", "less than or equal"),
        ("frks = 1", "frks", "no such setting; there are: accept_risk_at_most, auth_timeout"),
        ('home = "/x"', "home", "no such setting"),
        ('check_interval = "soon"', "check_interval", "soon"),
        ('controller = "a b"', "controller", "pattern"),
        ('log_level = "loud"', "log_level", "pattern"),
        ("[forks]", "forks", "integer"),
        ("forks = ", None, "not valid TOML"),
        ("\x00", None, "not valid TOML"),
    ],
)
def test_a_wrong_file_names_its_key(tmp_path: Path, text: str, field: str | None, says: str) -> None:
    """And the file."""
    with pytest.raises(SettingsInvalid, match=says) as caught:
        load_settings({}, written(tmp_path, text))
    assert (str(tmp_path / FILE), field) == (caught.value.file, caught.value.field)


@pytest.mark.parametrize(("name", "value"), [("FORKS", "-1"), ("READ_ONLY", "perhaps"), ("CHECK_INTERVAL", "soon")])
def test_a_wrong_variable_is_named(tmp_path: Path, name: str, value: str) -> None:
    """Though the file has a good one."""
    home = written(tmp_path, "forks = 3\n")
    with pytest.raises(SettingsInvalid) as caught:
        load_settings({f"PATCHWAVE_{name}": value}, home)
    assert (None, f"PATCHWAVE_{name}") == (caught.value.file, caught.value.field)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder in its place."""
    (tmp_path / FILE).mkdir()
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        load_settings({}, tmp_path)


def test_settings_are_shown_as_they_are_written(tmp_path: Path) -> None:
    """Durations, switches, and nothing for what is not set."""
    values = shown(load_settings({"PATCHWAVE_READ_ONLY": "yes"}, tmp_path)[0])
    assert ("1h", "true", "", "auto") == tuple(
        values[name] for name in ("check_interval", "read_only", "ssh_config", "log_format")
    )


def test_a_misspelt_variable_is_refused_by_name() -> None:
    """A safety switch that is not one must not go unseen."""
    with pytest.raises(SettingsInvalid, match="PATCHWAVE_READONLY: there is no such setting; is PATCHWAVE_READ_ONLY"):
        load_settings({"PATCHWAVE_READONLY": "true"}, None)


def test_feeds_and_their_mirrors_from_the_environment(tmp_path: Path) -> None:
    """With commas between; the names of parts may have spaces."""
    environ = {
        "PATCHWAVE_FEEDS": "debian, osv/Rocky Linux",
        "PATCHWAVE_FEED_URLS": "kev=https://mirror.example.net/kev?x=1, osv=http://10.0.0.1/osv",
    }
    settings, _origins = load_settings(environ, tmp_path)
    assert ("debian", "osv/Rocky Linux") == settings.feeds
    assert {"kev": "https://mirror.example.net/kev?x=1", "osv": "http://10.0.0.1/osv"} == settings.feed_urls


def test_feeds_and_their_mirrors_from_the_file(tmp_path: Path) -> None:
    """As a list and a table; the CA file is relative to it."""
    text = 'feeds = []\nfeed_ca_file = "ca.pem"\n[feed_urls]\nepss = "https://mirror.example.net/e"\n'
    settings, _origins = load_settings({}, written(tmp_path, text))
    assert () == settings.feeds
    assert {"epss": "https://mirror.example.net/e"} == settings.feed_urls
    assert tmp_path / "ca.pem" == settings.feed_ca_file


@pytest.mark.parametrize(
    ("given", "kept", "text"),
    [(None, None, ""), ("none", (), "none"), ("kev,epss", ("kev", "epss"), "kev, epss")],
)
def test_no_feeds_is_not_the_default(
    tmp_path: Path, given: str | None, kept: tuple[str, ...] | None, text: str
) -> None:
    """By default all; none only where somebody says so."""
    settings, _origins = load_settings({} if given is None else {"PATCHWAVE_FEEDS": given}, tmp_path)
    assert (kept, text) == (settings.feeds, shown(settings)["feeds"])


@pytest.mark.parametrize(
    "environ",
    [
        {"PATCHWAVE_FEED_URLS": "kev"},
        {"PATCHWAVE_FEED_URLS": "kev=file:///etc/passwd"},
        {"PATCHWAVE_FEED_URLS": "kev=https://"},
        {"PATCHWAVE_FEEDS": "kev,../x"},
        {"PATCHWAVE_FEED_MAX_BYTES": "10"},
    ],
)
def test_feed_settings_that_cannot_be_meant(tmp_path: Path, environ: dict[str, str]) -> None:
    """The variable is named."""
    (variable,) = environ
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(environ, tmp_path)
    assert variable == refused.value.field


def test_secrets_of_feeds_are_not_shown(tmp_path: Path) -> None:
    """Neither the proxy's password nor that of a mirror, nor a token in its query, nor in an error."""
    environ = {
        "PATCHWAVE_FEED_PROXY": "http://user:hunter2@proxy.example.net:3128",
        "PATCHWAVE_FEED_URLS": "kev=https://user:hunter2@mirror.example.net/kev?token=hunter2",
    }
    told = str(shown(load_settings(environ, tmp_path)[0]))
    assert "https://…@mirror.example.net/kev?…" in told
    assert "hunter2" not in told
    with pytest.raises(SettingsInvalid) as refused:
        load_settings({"PATCHWAVE_FEED_URLS": "kev=ftp://user:hunter2@mirror.example.net/"}, tmp_path)
    assert "hunter2" not in str(refused.value)
