"""What of a URL may be shown."""

import pytest

from orchestrator.core.urls import without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.net/a/b.json", "https://example.net/a/b.json"),
        ("https://example.net:8443/a", "https://example.net:8443/a"),
        ("https://user:word@example.net/a", "https://…@example.net/a"),
        ("https://token@example.net/a", "https://…@example.net/a"),
        ("https://example.net/a?key=1&b=2#c", "https://example.net/a?…"),
        ("http://[2001:db8::1]:80/a", "http://[2001:db8::1]:80/a"),
        ("http://[2001:db8::1/a", "…"),
        ("https://example.net:port/a", "…"),
        ("", ""),
    ],
)
def test_without_secrets(url: str, shown: str) -> None:
    """Nobody's user, password or query."""
    assert shown == without_secrets(url)
