"""What decides whether the kernel takes a module."""

import re

from pydantic import Field

from orchestrator.core.model import Frozen
from orchestrator.probe.fields import Fields


class Security(Frozen):
    """None: could not be read, and ``unknown`` says why."""

    lockdown: str | None = None
    secure_boot: bool | None = None
    module_signatures_enforced: bool | None = None
    unknown: dict[str, str] = Field(default_factory=dict)


def parse_security(fields: Fields) -> Security:
    """Lockdown, Secure Boot (False without EFI), and ``module.sig_enforce``."""
    seen = {
        "lockdown": _lockdown(fields.get("lockdown")),
        "secure_boot": _secure_boot(fields),
        "module_signatures_enforced": {"Y": True, "1": True, "N": False, "0": False}.get(
            fields.get("sig_enforce") or ""
        ),
    }
    keys = {"lockdown": "lockdown", "secure_boot": "secure_boot", "module_signatures_enforced": "sig_enforce"}
    unknown = {name: fields.why(keys[name]) for name, value in seen.items() if value is None}
    return Security.model_validate({**seen, "unknown": unknown})


def _lockdown(text: str | None) -> str | None:
    """``none [integrity] confidentiality``: the mode in brackets is in force."""
    found = re.search(r"\[(none|integrity|confidentiality)\]", text or "")
    return found[1] if found else None


def _secure_boot(fields: Fields) -> bool | None:
    """The variable is four bytes of attributes and one of value (efivarfs, UEFI 2.10 §3.3)."""
    if fields.get("efi") == "no":
        return False
    last = (fields.get("secure_boot") or "").split(" ")[-1]
    return {"01": True, "00": False}.get(last)
