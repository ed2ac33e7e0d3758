"""Fixtures that all acceptance tests share. A session's fixture has to be registered in one place to run once."""

from tests.acceptance.kernel_lab import kernel_fleet, kernel_lab
from tests.acceptance.simulated import simulate

__all__ = ["kernel_fleet", "kernel_lab", "simulate"]
