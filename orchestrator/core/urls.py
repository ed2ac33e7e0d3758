"""URLs as they may be shown."""

from urllib.parse import urlsplit, urlunsplit

HIDDEN = "…"


def without_secrets(url: str) -> str:
    """The URL without what may be a secret in it: user and password, query and fragment.

    What cannot be parsed is not shown at all: it may hold a password in a place where nobody looks for one.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return HIDDEN
    host = f"[{host}]" if ":" in host else host
    login = f"{HIDDEN}@" if "@" in parts.netloc else ""
    return urlunsplit((parts.scheme, f"{login}{host}{port}", parts.path, HIDDEN if parts.query else "", ""))
