"""Enums whose every member carries its one-line meaning, so that plans, errors and docs can print it."""

from enum import StrEnum


class Meaning(StrEnum):
    """A member is written ``NAME = "value", "what it means"``; it compares and serialises as its value."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> "Meaning":
        """Keep the meaning beside the value."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member
