"""Fixtures of the simulated lab's tests."""

from tests.lab.fleets import start

__all__ = ["start"]
