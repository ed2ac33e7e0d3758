"""How Ksplice is set up on a host, whatever it says itself: its configuration, and the modules that the kernel has."""

import re

from orchestrator.core.facts import Pin
from orchestrator.core.model import Frozen
from orchestrator.probe.answer import Section
from orchestrator.probe.fields import Fields, fields_of

_SETTING = re.compile(r"(autoinstall|upgrade_on_reboot)\s*[=:]\s*(.{0,60}?)\s*")


class Settings(Frozen):
    """``agent``: its settings as they stand in uptrack.conf; ``loaded``: the ids of updates whose modules are in the
    kernel, None where they could not be listed."""

    is_whole: bool = False
    disabled: bool = False
    is_pinned: bool = False
    agent: tuple[tuple[str, str], ...] = ()
    loaded: frozenset[str] | None = None

    @property
    def is_automatic(self) -> bool:
        """Whether the client installs updates by itself, or cannot be told not to (ConfigParser.getboolean's words)."""
        return any(value.lower() not in ("no", "off", "false", "0") for _, value in self.agent)


def read_settings(section: Section | None) -> Settings:
    """None: the section was cut off, or never asked for."""
    if section is None or section.exit_status is None:
        return Settings()
    fields = fields_of(section.body)
    found = (_SETTING.fullmatch(line) for line in fields.all("setting"))
    return Settings(
        is_whole=True,
        disabled=fields.get("disabled") == "yes",
        is_pinned=fields.get("pinned") == "yes",
        agent=tuple((one[1], one[2]) for one in found if one is not None),
        loaded=_loaded(fields),
    )


def _loaded(fields: Fields) -> frozenset[str] | None:
    """``ksplice_ID``, and for each part of the kernel that it patches ``ksplice_ID_vmlinux_new`` and the like."""
    if fields.get("modules") != "listed":
        return None
    return frozenset(name.partition("_")[0] for name in fields.all("loaded"))


def pin_of(settings: Settings) -> Pin | None:
    """An agent that installs nothing by itself is held where it is, whoever had it so."""
    if not settings.is_whole or settings.is_automatic:
        return None
    setting = " ".join(f"{key}={value}" for key, value in settings.agent) or "autoinstall is not set"
    return Pin(setting=setting, by_us=settings.is_pinned)
