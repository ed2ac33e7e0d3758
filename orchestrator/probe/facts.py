"""The answer of a check, read into `Facts`. Pure: the controller's times are arguments."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from orchestrator.core.facts import Facts, Volatile
from orchestrator.ports.ssh import Completed
from orchestrator.probe.account import root_lacks
from orchestrator.probe.answer import INCOMPLETE, Answer, read_answer
from orchestrator.probe.fields import TOO_LARGE, Fields, read_fields
from orchestrator.probe.kernel import (
    LONGEST_RELEASE,
    installed_lacks,
    parse_arch,
    parse_kernel,
    read_owners,
    with_listed_owners,
)
from orchestrator.probe.livepatch import SeenPatches, parse_livepatch
from orchestrator.probe.os_release import parse_os
from orchestrator.probe.packages import SeenPackages, parse_packages
from orchestrator.probe.reboot import Reboot, parse_reboot
from orchestrator.probe.security import Security, parse_security
from orchestrator.probe.text import integer, match
from orchestrator.probe.virtualization import parse_virtualization

LONGEST_UPTIME = 999_999_999
"""Seconds, 31 years: a boot time that is computed from it stays one."""

LATEST_CLOCK = 253_402_300_799
"""Seconds since 1970: the end of the year 9999, the last that a datetime can hold."""

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def parse_check(
    completed: Completed,
    *,
    nonce: str,
    started_at: datetime,
    finished_at: datetime,
    known_packages: str | None = None,
) -> Facts:
    """What the check saw. ``started_at``, ``finished_at``: the controller's clock around it; ``known_packages``: what
    `check_command` was given.

    Raises `ShellUnusable` or `AnswerGarbled` when there is nothing of ours in the answer. Whatever else is missing
    from it stands in `Facts.unknown`.
    """
    answer = read_answer(completed, nonce=nonce)
    return facts_of(answer, started_at=started_at, finished_at=finished_at, known_packages=known_packages)


def facts_of(
    answer: Answer, *, started_at: datetime, finished_at: datetime, known_packages: str | None = None
) -> Facts:
    """The same, from an answer already taken out of its frame."""
    seen = _Seen(answer, started_at + (finished_at - started_at) / 2, known_packages)
    return Facts(
        os=seen.os,
        arch=seen.arch,
        kernel=seen.kernel,
        boot_id=seen.boot_id,
        machine_id=seen.machine_id,
        product_uuid=seen.product_uuid,
        is_root=seen.account.get("uid") == "0",
        taints=seen.taints,
        lockdown=seen.security.lockdown,
        secure_boot=seen.security.secure_boot,
        module_signatures_enforced=seen.security.module_signatures_enforced,
        livepatch_supported=seen.patches.supported,
        virtualization=seen.virtualization,
        reboot_required=seen.reboot.required,
        reboot_reasons=seen.reboot.reasons,
        live_patches=seen.patches.patches,
        packages=seen.packages.packages,
        unknown=dict(sorted(seen.unknown())),
        volatile=Volatile(uptime=seen.uptime, clock_skew=seen.clock_skew),
    )


class _Seen:
    """The parts of one answer, each parsed once."""

    def __init__(self, answer: Answer, midpoint: datetime, known_packages: str | None) -> None:
        self.answer = answer
        self.boot = read_fields(answer, "boot")
        self.account = read_fields(answer, "account")
        self.root_lacks = root_lacks(answer, self.account)
        self.packages: SeenPackages = parse_packages(answer.sections.get("packages"), known_packages)
        self._read_kernel()
        self._read_boot(midpoint)
        self.os = parse_os(read_fields(answer, "os"))
        self.security: Security = parse_security(read_fields(answer, "security"))
        self.identity = read_fields(answer, "root_identity")
        self.product_uuid = _product_uuid(self.identity)
        self.virtualization = parse_virtualization(read_fields(answer, "virtualization"), self.identity)
        self.patches: SeenPatches = parse_livepatch(
            read_fields(answer, "livepatch"), read_fields(answer, "root_transition"), root_lacks=self.root_lacks
        )

    def _read_kernel(self) -> None:
        self.running = read_fields(self.answer, "kernel", limit=13_000)
        self.kernels = with_listed_owners(read_fields(self.answer, "kernels"), self.packages)
        self.kernel = parse_kernel(self.running, read_owners(self.kernels))
        self.arch = parse_arch(self.running)
        self.reboot: Reboot = parse_reboot(read_fields(self.answer, "reboot"), self.kernels, self.kernel)

    def _read_boot(self, midpoint: datetime) -> None:
        self.boot_id = match(_UUID, self.boot.get("boot_id"))
        self.machine_id = match(r"[0-9a-f]{32}", self.boot.get("machine_id"))
        self.taints = integer(self.boot.get("taints"))
        self.uptime = _seconds(self.boot.get("uptime"), at_most=LONGEST_UPTIME)
        clock = _seconds(self.boot.get("clock"), at_most=LATEST_CLOCK)
        self.clock_skew = None if clock is None else clock - timedelta(seconds=midpoint.timestamp())

    def unknown(self) -> Iterator[tuple[str, str]]:
        """Every field that could not be read, and why."""
        if not self.answer.complete:
            yield "answer", INCOMPLETE
        if self.root_lacks:
            yield "root", self.root_lacks
        yield from self._unknown_kernel()
        yield from self._unknown_machine()
        yield from self.security.unknown.items()
        yield from self.patches.unknown.items()
        if self.packages.lacks or self.packages.rows_lack:
            yield (
                ("packages" if self.packages.lacks else "packages.items"),
                str(self.packages.lacks or self.packages.rows_lack),
            )

    def _unknown_kernel(self) -> Iterator[tuple[str, str]]:
        if self.kernel is None:
            too_long = len(self.running.get("release") or "") > LONGEST_RELEASE
            yield "kernel", TOO_LARGE if too_long else self.running.why("release")
        elif self.kernel.build_id is None:
            yield "kernel.build_id", self.running.why("notes")
        if lacks := installed_lacks(self.kernels):
            yield "kernel.installed", lacks
        if self.arch is None:
            yield "arch", self.running.why("arch")
        if self.reboot.lacks:
            yield "reboot_required", self.reboot.lacks
        if self.reboot.reasons_lack:
            yield "reboot_reasons", self.reboot.reasons_lack

    def _unknown_machine(self) -> Iterator[tuple[str, str]]:
        for name, value, fields, key in (
            ("boot_id", self.boot_id, self.boot, "boot_id"),
            ("machine_id", self.machine_id, self.boot, "machine_id"),
            ("taints", self.taints, self.boot, "taints"),
            ("uptime", self.uptime, self.boot, "uptime"),
            ("clock", self.clock_skew, self.boot, "clock"),
            ("os", self.os, read_fields(self.answer, "os"), "line"),
        ):
            if value is None:
                yield name, fields.why(key)
        if self.virtualization is None:
            yield "virtualization", self.root_lacks or read_fields(self.answer, "virtualization").why("flags")
        if self.product_uuid is None:
            yield "product_uuid", self.root_lacks or self.identity.why("product_uuid")


def _product_uuid(identity: Fields) -> str | None:
    """Not the placeholders of firmware that never set it: they would make strangers one machine."""
    uuid = match(_UUID, identity.get("product_uuid"))
    return None if uuid is None or len(set(uuid) - {"-"}) == 1 else uuid


def _seconds(text: str | None, *, at_most: int) -> timedelta | None:
    """``1700000000.25`` or ``12.34 56.78``; busybox's date has no %N. None for more than can be true."""
    found = re.match(r"[0-9]{1,12}(?:\.[0-9]{1,9})?(?![0-9])", text or "")
    return timedelta(seconds=float(found[0])) if found and float(found[0]) <= at_most else None
