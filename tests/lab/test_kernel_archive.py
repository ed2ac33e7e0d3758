"""Which kernels the lab takes, read from what apt prints."""

import pytest

from orchestrator.errors import NotAvailable
from orchestrator.lab.kernel.archive import (
    KernelPackage,
    Source,
    choose,
    kernels,
    parse_search,
    parse_show,
    parse_suite,
    parse_targets,
)

SEARCH = """\
linux-headers-6.1.0-9-cloud-amd64 - Header files for Linux 6.1.0-9-cloud-amd64
linux-image-6.1.0-9-cloud-amd64 - Linux 6.1 for x86-64 cloud (signed)
linux-image-6.1.0-10-cloud-amd64 - Linux 6.1 for x86-64 cloud (signed)
linux-image-6.1.0-9-cloud-amd64-unsigned - Linux 6.1 for x86-64 cloud
linux-image-6.1.0-9-cloud-amd64-dbg - Debug symbols for linux-image-6.1.0-9-cloud-amd64
linux-headers-6.12-cloud-amd64 - Header files for Linux cloud-amd64 configuration (meta-package)
linux-image-6.12-cloud-amd64 - Linux for x86-64 cloud (meta-package)
linux-headers-6.12.9+deb12-cloud-amd64 - Header files for Linux 6.12.9+deb12-cloud-amd64
linux-image-6.12.9+deb12-cloud-amd64 - Linux 6.12 for x86-64 cloud (signed)
"""

SHOW = """\
Package: linux-image-6.12.9+deb12-cloud-amd64
Source: linux-signed-6.12-amd64 (6.12.9+1~deb12u1)
Version: 6.12.9-1~deb12u1
Depends: kmod, initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool
Description: Linux 6.12 for x86-64 cloud (signed)
 The Linux kernel 6.12: for Amazon EC2 and others.
SHA256: 11

Package: linux-headers-6.12.9+deb12-cloud-amd64
Version: 6.12.9-1~deb12u1
Depends: linux-headers-6.12.9+deb12-common (= 6.12.9-1~deb12u1), linux-image-6.12.9+deb12-cloud-amd64 (= \
6.12.9-1~deb12u1) | linux-image-6.12.9+deb12-cloud-amd64-unsigned (= 6.12.9-1~deb12u1), \
linux-kbuild-6.12.9+deb12, gcc-12
SHA256: 12

"""


def package(release: str, version: str) -> KernelPackage:
    return KernelPackage(
        release=release, version=version, image=f"linux-image-{release}", build_packages=(), compiler="gcc", sha256=()
    )


def test_search_wants_image_and_headers() -> None:
    """Meta-packages, unsigned and debug packages, and kernels without headers are left out."""
    assert parse_search(SEARCH) == ("6.1.0-9-cloud-amd64", "6.12.9+deb12-cloud-amd64")


def test_search_of_empty_lists() -> None:
    """Where apt knows nothing, there is nothing."""
    assert parse_search("") == ()


def test_kernel_of_its_stanzas() -> None:
    """What building modules needs is read from the headers' dependencies, the compiler too."""
    expected = KernelPackage(
        release="6.12.9+deb12-cloud-amd64",
        version="6.12.9-1~deb12u1",
        image="linux-image-6.12.9+deb12-cloud-amd64",
        build_packages=(
            "linux-headers-6.12.9+deb12-cloud-amd64",
            "linux-headers-6.12.9+deb12-common",
            "linux-kbuild-6.12.9+deb12",
        ),
        compiler="gcc-12",
        sha256=("11", "12"),
    )
    assert (expected,) == kernels(parse_show(SHOW))


def test_compiler_package_of_older_series() -> None:
    """The 6.1 series names its compiler through a package of its own."""
    older = SHOW.replace("gcc-12", "linux-compiler-gcc-12-x86")
    assert ["gcc-12"] == [kernel.compiler for kernel in kernels(parse_show(older))]


def test_headers_of_another_version_do_not_fit() -> None:
    """A kernel whose headers are older or newer than its image is not taken."""
    image, headers = SHOW.split("\n\n", 1)
    assert kernels(parse_show(image + "\n\n" + headers.replace("Version: 6.12.9", "Version: 6.12.8"))) == ()


def test_stanza_without_a_version() -> None:
    """A stanza that is cut off is refused by the name of what is missing."""
    with pytest.raises(NotAvailable, match="Version"):
        parse_show("Package: linux-image-6.1.0-9-cloud-amd64\nSHA256: 1\n")


def test_newest_of_each_series_in_version_order() -> None:
    """6.1.100 is newer than 6.1.99, whatever their release names say as strings."""
    offered = [
        package("6.1.0-9-cloud-amd64", "6.1.99-1"),
        package("6.1.0-10-cloud-amd64", "6.1.100-1"),
        package("6.12.9+deb12-cloud-amd64", "6.12.9-1~deb12u1"),
        package("6.12.8+deb12-cloud-amd64", "6.12.8-1~deb12u1"),
    ]
    chosen = [kernel.release for kernel in choose(offered, builds=2)]
    assert chosen == ["6.1.0-10-cloud-amd64", "6.12.9+deb12-cloud-amd64"]


def test_one_series_gives_two_builds() -> None:
    """With a single series the second build is the one before the newest."""
    offered = [package(f"6.1.0-{n}-cloud-amd64", f"6.1.{n}-1") for n in (9, 11, 10)]
    assert ["6.1.0-10-cloud-amd64", "6.1.0-11-cloud-amd64"] == [k.release for k in choose(offered, builds=2)]


def test_one_kernel_is_all_there_is() -> None:
    """Fewer than wanted is what the archive has."""
    offered = [package("6.1.0-9-cloud-amd64", "6.1.99-1")]
    assert tuple(offered) == choose(offered, builds=2)


def test_no_kernel_at_all() -> None:
    """An empty archive is an error that says what to do."""
    with pytest.raises(NotAvailable, match="apt-get update"):
        choose([], builds=2)


def test_mirror_of_the_suite() -> None:
    """The machine's own mirror of the suite itself, not of its updates; none known: debootstrap decides."""
    listed = "bookworm-updates main http://mirror.example/debian/\nbookworm main http://mirror.example/debian/\n"
    assert Source(suite="bookworm", mirror="http://mirror.example/debian/") == parse_targets(listed, suite="bookworm")
    assert Source(suite="trixie", mirror=None) == parse_targets(listed, suite="trixie")


def test_suite_of_this_machine() -> None:
    """Debian's code name; another distribution is refused."""
    assert parse_suite('ID=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian GNU/Linux 12"\n') == "bookworm"
    with pytest.raises(NotAvailable, match="not Debian"):
        parse_suite("ID=alpine\nVERSION_ID=3.20\n")
