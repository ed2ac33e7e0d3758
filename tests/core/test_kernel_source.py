"""Source packages of kernel images, as vulnerability data names them."""

import pytest

from orchestrator.core.kernel_source import kernel_source


@pytest.mark.parametrize(
    ("packaged", "tracked"),
    [
        (("linux-signed-amd64", "6.1.192+2"), ("linux", "6.1.192-2")),
        (("linux-signed-6.12-amd64", "6.12.90+1~bpo12+1"), ("linux-6.12", "6.12.90-1~bpo12+1")),
        (("linux-signed-arm64", "6.1~rc3+1~exp1"), ("linux", "6.1~rc3-1~exp1")),
        (("linux", "6.1.192-2"), ("linux", "6.1.192-2")),
        (("linux-6.12", "6.12.90-1"), ("linux-6.12", "6.12.90-1")),
        (("linux-signed", "5.15.0-100.110"), ("linux", "5.15.0-100.110")),
        (("linux-signed-hwe-6.5", "6.5.0-28.29~22.04.1"), ("linux-hwe-6.5", "6.5.0-28.29~22.04.1")),
        (("linux-signed-aws", "5.15.0-1055.60"), ("linux-aws", "5.15.0-1055.60")),
        (("linux-signed-aws", "5.15.0-1055.60+1"), ("linux-aws", "5.15.0-1055.60+1")),
        (("kernel", "5.14.0-427.13.1.el9_4"), ("kernel", "5.14.0-427.13.1.el9_4")),
        (("kernel-default", "5.14.21-150400.24.100.2"), ("kernel-default", "5.14.21-150400.24.100.2")),
        (("linux-lts", "6.6.31-r0"), ("linux-lts", "6.6.31-r0")),
        (("glibc", "2.36-9+deb12u4"), ("glibc", "2.36-9+deb12u4")),
        (("linux-signed-amd64-template", "6.1.192+2"), ("linux-amd64-template", "6.1.192+2")),
        (("", ""), ("", "")),
    ],
)
def test_kernel_source(packaged: tuple[str, str], tracked: tuple[str, str]) -> None:
    """Debian's signed images lose the name and the plus of their signing; everything else keeps its own."""
    assert tracked == kernel_source(*packaged)
