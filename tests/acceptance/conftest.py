"""Fixtures that all acceptance tests share. A session's fixture has to be registered in one place to run once."""

import os

from tests.acceptance.kernel_lab import kernel_fleet, kernel_lab
from tests.acceptance.simulated import simulate

__all__ = ["kernel_fleet", "kernel_lab", "simulate"]

collect_ignore = [] if os.environ.get("PATCHWAVE_LAB_KPATCH") else ["test_kpatch_and_klp.py"]
"""Debian has no package of kpatch: whoever has the script names it."""
