"""The source package of a kernel image, under the name and version that vulnerability data uses."""

import re

_DEBIAN_SIGNED = re.compile(
    r"(?P<source>linux)-signed(?P<series>-[0-9][0-9a-z.]*)?-(?:amd64|arm64|armhf|i386|loong64|riscv64)"
)
_UBUNTU_SIGNED = re.compile(r"linux-signed(?P<flavour>-[0-9a-z.-]+)?")


def kernel_source(source: str, version: str) -> tuple[str, str]:
    """Source package and version as the security trackers name them.

    Debian builds its signed images from ``linux-signed-amd64 (6.1.192+2)``: the tracker says ``linux`` and
    ``6.1.192-2``, and ``linux-6.12`` for ``linux-signed-6.12-amd64``. Ubuntu's are ``linux-signed-hwe-6.5``, with the
    version as it is. Anything else is its own name.
    """
    debian = _DEBIAN_SIGNED.fullmatch(source)
    if debian:
        return "linux" + (debian["series"] or ""), version.replace("+", "-", 1)
    ubuntu = _UBUNTU_SIGNED.fullmatch(source)
    if ubuntu:
        return "linux" + (ubuntu["flavour"] or ""), version
    return source, version
