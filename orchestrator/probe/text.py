"""Text from a host: nothing in it is trusted, and nothing of it reaches a terminal as it came."""

import re
import unicodedata

_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")


def clean(raw: bytes | str, limit: int = 200) -> str:
    """Printable, one line, at most ``limit`` characters: escape sequences and control characters are dropped."""
    text = raw[: limit * 8].decode("utf-8", "replace") if isinstance(raw, bytes) else raw[: limit * 8]
    if text.isascii() and text.isprintable():
        return text[:limit].strip()
    text = _ANSI.sub("", text.replace("\t", " ").replace("\n", " "))
    return "".join(char for char in text if unicodedata.category(char) not in _UNPRINTABLE)[:limit].strip()


def integer(text: str | None) -> int | None:
    """A decimal number of at most 18 digits, or None."""
    return int(text) if text is not None and re.fullmatch(r"-?[0-9]{1,18}", text) else None


def match(pattern: str, text: str | None) -> str | None:
    """The text, in lower case, when the whole of it fits the pattern; else None."""
    lowered = (text or "").lower()
    return lowered if re.fullmatch(pattern, lowered) else None
