"""The systems that simulated hosts run: what os-release(5) says there, and where the package database is."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Packager(StrEnum):
    """Who keeps the packages."""

    DPKG = "dpkg"
    """Debian and Ubuntu."""
    RPM = "rpm"
    """Red Hat and its kin, SUSE, Amazon."""
    APK = "apk"
    """Alpine."""


@dataclass(frozen=True, kw_only=True)
class System:
    """A distribution's release. ``key``: how a script names it; ``database``: the packager's file, below the root."""

    key: str
    id: str
    version: str
    packager: Packager
    database: str
    os_release: str

    @property
    def architecture(self) -> str:
        """What its packages call x86_64."""
        return "amd64" if self.packager is Packager.DPKG else "x86_64"


DPKG_STATUS = "var/lib/dpkg/status"
BERKELEY, SQLITE, NDB = "var/lib/rpm/Packages", "var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/Packages.db"
"""rpm's three databases: before 4.16, since then, and SUSE's."""
APK_INSTALLED = "lib/apk/db/installed"

_Pairs = Iterable[tuple[str, str]]


def _text(pairs: _Pairs, *, bare: Iterable[str] = ()) -> str:
    """An os-release file; the values of ``bare`` keys stand there without quotes."""
    plain = set(bare)
    return "".join(f"{key}={value}\n" if key in plain else f'{key}="{value}"\n' for key, value in pairs)


def _debian(version: str, code_name: str) -> System:
    pairs = (
        ("PRETTY_NAME", f"Debian GNU/Linux {version} ({code_name})"),
        ("NAME", "Debian GNU/Linux"),
        ("VERSION_ID", version),
        ("VERSION", f"{version} ({code_name})"),
        ("VERSION_CODENAME", code_name),
        ("ID", "debian"),
        ("HOME_URL", "https://www.debian.org/"),
        ("SUPPORT_URL", "https://www.debian.org/support"),
        ("BUG_REPORT_URL", "https://bugs.debian.org/"),
    )
    return System(
        key=f"debian-{version}",
        id="debian",
        version=version,
        packager=Packager.DPKG,
        database=DPKG_STATUS,
        os_release=_text(pairs, bare=("VERSION_CODENAME", "ID")),
    )


def _ubuntu(version: str, point: str, code_name: str) -> System:
    short = code_name.partition(" ")[0].lower()
    pairs = (
        ("PRETTY_NAME", f"Ubuntu {point} LTS"),
        ("NAME", "Ubuntu"),
        ("VERSION_ID", version),
        ("VERSION", f"{point} LTS ({code_name})"),
        ("VERSION_CODENAME", short),
        ("ID", "ubuntu"),
        ("ID_LIKE", "debian"),
        ("HOME_URL", "https://www.ubuntu.com/"),
        ("SUPPORT_URL", "https://help.ubuntu.com/"),
        ("BUG_REPORT_URL", "https://bugs.launchpad.net/ubuntu/"),
        ("UBUNTU_CODENAME", short),
    )
    return System(
        key=f"ubuntu-{version}",
        id="ubuntu",
        version=version,
        packager=Packager.DPKG,
        database=DPKG_STATUS,
        os_release=_text(pairs, bare=("VERSION_CODENAME", "ID", "ID_LIKE", "UBUNTU_CODENAME")),
    )


def _enterprise(os_id: str, name: str, version: str, code_name: str, *, vendor: str, like: str, cpe: str) -> System:
    """Red Hat Enterprise Linux and what is built from its sources."""
    major = version.partition(".")[0]
    title = f"{version} ({code_name})" if code_name else version
    pairs = (
        ("NAME", name),
        ("VERSION", title),
        ("ID", os_id),
        ("ID_LIKE", like),
        ("VERSION_ID", version),
        ("PLATFORM_ID", f"platform:el{major}"),
        ("PRETTY_NAME", f"{name} {title}"),
        ("ANSI_COLOR", "0;31"),
        ("CPE_NAME", cpe),
        ("HOME_URL", f"https://{vendor}/"),
        ("REDHAT_SUPPORT_PRODUCT", name),
        ("REDHAT_SUPPORT_PRODUCT_VERSION", version),
    )
    return System(
        key=f"{os_id}-{major}",
        id=os_id,
        version=version,
        packager=Packager.RPM,
        database=BERKELEY if major == "8" else SQLITE,
        os_release=_text(pairs),
    )


def _red_hat(version: str, code_name: str) -> System:
    cpe = f"cpe:/o:redhat:enterprise_linux:{version.partition('.')[0]}::baseos"
    name = "Red Hat Enterprise Linux"
    return _enterprise("rhel", name, version, code_name, vendor="www.redhat.com", like="fedora", cpe=cpe)


def _alma(version: str, code_name: str) -> System:
    cpe, like = f"cpe:/o:almalinux:almalinux:{version.partition('.')[0]}::baseos", "rhel centos fedora"
    return _enterprise("almalinux", "AlmaLinux", version, code_name, vendor="almalinux.org", like=like, cpe=cpe)


def _rocky(version: str, code_name: str) -> System:
    cpe, like = f"cpe:/o:rocky:rocky:{version.partition('.')[0]}::baseos", "rhel centos fedora"
    return _enterprise("rocky", "Rocky Linux", version, code_name, vendor="rockylinux.org", like=like, cpe=cpe)


def _oracle(version: str) -> System:
    cpe, name = f"cpe:/o:oracle:linux:{version.replace('.', ':')}:server", "Oracle Linux Server"
    return _enterprise("ol", name, version, "", vendor="linux.oracle.com", like="fedora", cpe=cpe)


def _suse(service_pack: int) -> System:
    pairs = (
        ("NAME", "SLES"),
        ("VERSION", f"15-SP{service_pack}"),
        ("VERSION_ID", f"15.{service_pack}"),
        ("PRETTY_NAME", f"SUSE Linux Enterprise Server 15 SP{service_pack}"),
        ("ID", "sles"),
        ("ID_LIKE", "suse"),
        ("ANSI_COLOR", "0;32"),
        ("CPE_NAME", f"cpe:/o:suse:sles:15:sp{service_pack}"),
    )
    return System(
        key=f"sles-15.{service_pack}",
        id="sles",
        version=f"15.{service_pack}",
        packager=Packager.RPM,
        database=NDB,
        os_release=_text(pairs),
    )


def _amazon(version: str, like: str, database: str) -> System:
    pairs = (
        ("NAME", "Amazon Linux"),
        ("VERSION", version),
        ("ID", "amzn"),
        ("ID_LIKE", like),
        ("VERSION_ID", version),
        ("PRETTY_NAME", f"Amazon Linux {version}"),
        ("ANSI_COLOR", "0;33"),
        ("CPE_NAME", f"cpe:2.3:o:amazon:amazon_linux:{version}"),
    )
    return System(
        key=f"amzn-{version}",
        id="amzn",
        version=version,
        packager=Packager.RPM,
        database=database,
        os_release=_text(pairs),
    )


def _alpine(version: str) -> System:
    minor = version.rpartition(".")[0]
    pairs = (
        ("NAME", "Alpine Linux"),
        ("ID", "alpine"),
        ("VERSION_ID", version),
        ("PRETTY_NAME", f"Alpine Linux v{minor}"),
        ("HOME_URL", "https://alpinelinux.org/"),
    )
    return System(
        key=f"alpine-{minor}",
        id="alpine",
        version=version,
        packager=Packager.APK,
        database=APK_INSTALLED,
        os_release=_text(pairs, bare=("ID", "VERSION_ID")),
    )


DEBIAN_12, DEBIAN_13 = _debian("12", "bookworm"), _debian("13", "trixie")
UBUNTU_20, UBUNTU_22, UBUNTU_24 = (
    _ubuntu("20.04", "20.04.6", "Focal Fossa"),
    _ubuntu("22.04", "22.04.5", "Jammy Jellyfish"),
    _ubuntu("24.04", "24.04.3", "Noble Numbat"),
)
RHEL_8, RHEL_9 = _red_hat("8.10", "Ootpa"), _red_hat("9.6", "Plow")
ALMA_8, ALMA_9 = _alma("8.10", "Cerulean Leopard"), _alma("9.6", "Sage Margay")
ROCKY_8, ROCKY_9 = _rocky("8.10", "Green Obsidian"), _rocky("9.6", "Blue Onyx")
ORACLE_8, ORACLE_9 = _oracle("8.10"), _oracle("9.6")
SLES_15_SP3, SLES_15_SP6 = _suse(3), _suse(6)
AMAZON_2, AMAZON_2023 = _amazon("2", "centos rhel fedora", BERKELEY), _amazon("2023", "fedora", SQLITE)
ALPINE_3_22 = _alpine("3.22.2")
