"""Host patterns of inventory files: ``web[01:20:2].example.com``, ``db-[a:f]``, ``host:2222``, ``[2001:db8::1]:22``.

Source: https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#adding-ranges-of-hosts
"""

import ipaddress
import itertools
import re
import string
from collections.abc import Sequence

from orchestrator.inventory.gathered import MAX_HOSTS
from orchestrator.inventory.origins import Origin

_BRACKETED_PORT = re.compile(r"\[(?P<name>[^\[\]]+)\]:(?P<port>\d{1,9})")
_NAME_PORT = re.compile(r"(?P<name>(?:[^:\[\]]|\[[^\[\]]*\])+):(?P<port>[^:\[\]]*)")
_RANGE = re.compile(r"\[([^\[\]]*)\]")
_MAX_TEXT = 1000


def expand(text: str, origin: Origin) -> tuple[list[str], int | None]:
    """The host names a pattern stands for, and the port it names. Raises `InventoryInvalid`."""
    if len(text) > _MAX_TEXT:
        raise origin.refuse(f"a host name of {len(text)} characters")
    if any(bracket in literal for literal in _RANGE.split(text)[::2] for bracket in "[]"):
        raise origin.refuse(f"bad range in {text!r}: a bracket is not closed, or never opened")
    name, port = _split_port(text, origin)
    parts = _RANGE.split(name)
    choices = [_items(part, text, origin) if index % 2 else [part] for index, part in enumerate(parts)]
    count = 1
    for choice in choices:
        count *= len(choice)
        if count > MAX_HOSTS:
            raise origin.refuse(f"the range {text!r} stands for more than {MAX_HOSTS} hosts")
    return ["".join(chosen) for chosen in itertools.product(*choices)], port


def _split_port(text: str, origin: Origin) -> tuple[str, int | None]:
    if (bracketed := _BRACKETED_PORT.fullmatch(text)) is not None:
        return bracketed["name"], _port(bracketed["port"], text, origin)
    if ":" not in _RANGE.sub("", text) or _is_ipv6(text):
        return text, None
    if (found := _NAME_PORT.fullmatch(text)) is None:
        raise origin.refuse(f"{text!r} is no host name; an IPv6 address with a port is written [address]:port")
    return found["name"], _port(found["port"], text, origin)


def _port(digits: str, text: str, origin: Origin) -> int:
    if not digits.isdecimal() or not 1 <= int(digits[:9]) <= 65535:
        raise origin.refuse(f"bad port {digits!r} in {text!r}: it must be a number from 1 to 65535")
    return int(digits)


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _items(bounds: str, text: str, origin: Origin) -> Sequence[str]:
    """What ``01:20:2`` or ``a:f`` stands for; both ends are included."""
    parts = bounds.split(":")
    if len(parts) not in (2, 3) or not parts[1]:
        raise origin.refuse(f"bad range in {text!r}: it must be [begin:end] or [begin:end:step]")
    begin, end, step = parts[0] or "0", parts[1], parts[2] if len(parts) == 3 else "1"
    if not step.isascii() or not step.isdecimal() or not int(step[:9]) >= 1 or len(step) > 9:
        raise origin.refuse(f"bad range in {text!r}: the step must be a number from 1")
    letters = string.ascii_letters
    if len(begin) == len(end) == 1 and begin in letters and end in letters:
        first, last = letters.index(begin), letters.index(end)
        _check_order(first, last, text, origin)
        return letters[first : last + 1 : int(step)]
    return _numbers(begin, end, int(step), text, origin)


def _numbers(begin: str, end: str, step: int, text: str, origin: Origin) -> Sequence[str]:
    if not all(bound.isascii() and bound.isdecimal() and len(bound) <= 15 for bound in (begin, end)):
        raise origin.refuse(f"bad range in {text!r}: both ends must be numbers, or both single letters")
    is_padded = begin.startswith("0") and len(begin) > 1
    if is_padded and len(begin) != len(end):
        raise origin.refuse(f"bad range in {text!r}: with leading zeros both ends must have the same length")
    _check_order(int(begin), int(end), text, origin)
    numbers = range(int(begin), int(end) + 1, step)
    if len(numbers) > MAX_HOSTS:
        raise origin.refuse(f"the range {text!r} stands for more than {MAX_HOSTS} hosts")
    return [str(number).zfill(len(begin) if is_padded else 0) for number in numbers]


def _check_order(first: int, last: int, text: str, origin: Origin) -> None:
    if first > last:
        raise origin.refuse(f"bad range in {text!r}: it ends before it begins")
