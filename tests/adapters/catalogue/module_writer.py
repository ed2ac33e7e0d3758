"""Tiny kernel modules: those of the simulated lab."""

from orchestrator.lab.simulated.elf import (
    AARCH64,
    I386,
    NOTE,
    RELOCATABLE,
    RISCV,
    SHARED,
    X86_64,
    elf,
    module,
)

__all__ = ["AARCH64", "I386", "NOTE", "RELOCATABLE", "RISCV", "SHARED", "X86_64", "elf", "module"]
