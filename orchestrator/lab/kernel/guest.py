"""What is inside the machines: Debian's minimal system, accounts to log in with, and one of two inits."""

import hashlib
import shutil
from enum import StrEnum
from pathlib import Path

from orchestrator.errors import NotAvailable
from orchestrator.lab.kernel.archive import Source, source
from orchestrator.lab.kernel.cache import Cache, digest, recipe
from orchestrator.lab.kernel.programs import find, run

PACKAGES = ("openssh-server", "kmod", "sudo", "systemd-sysv")
"""On top of debootstrap's minbase variant."""

DEPLOY_ID, CAROL_ID = 1001, 1002
CAROL_PASSWORD = "carol-lab-password"  # noqa: S105 (it is no secret: only loopback reaches these machines)
"""What ``carol`` has to type for sudo; ``deploy`` types nothing."""

SUDOERS = "deploy ALL=(ALL:ALL) NOPASSWD: ALL\ncarol ALL=(ALL:ALL) ALL\n"

MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "logrotate.timer",
    "serial-getty@ttyS0.service",  # the console is for the kernel's log alone
)
"""Units that would take processor time from the tests or write to the console."""

SSH_DROP_IN = "[Unit]\nAfter=systemd-user-sessions.service\n"
"""Until then pam_nologin refuses everybody but root: an answering sshd shall mean that all accounts can log in."""

INITTAB = "::sysinit:/etc/lab-init\n::respawn:/usr/sbin/sshd -D\n::shutdown:/bin/mount -o remount,ro /\n"
"""For busybox init: it starts sshd again when it ends, reaps what is orphaned, and carries out ``reboot``."""

TINY_INIT = Path(__file__).parent / "boot" / "tiny.sh"


class Init(StrEnum):
    """What the first process of a machine is."""

    TINY = "tiny"
    """busybox init with a ten-line script and sshd: up in seconds."""
    SYSTEMD = "systemd"
    """What Debian boots."""


def base_tree(cache: Cache) -> Path:
    """The root tree that all machines share, without kernel, name or keys."""
    where = source()
    key = digest(recipe(__file__), where.suite)
    return cache.entry("roots", where.suite, key, lambda work: _bootstrap(work / "root", where)) / "root"


def _bootstrap(root: Path, where: Source) -> None:
    mirror = (where.mirror,) if where.mirror else ()
    include = "--include=" + ",".join(PACKAGES)
    run("debootstrap", "--variant=minbase", include, where.suite, root, *mirror)
    for name, number in (("deploy", DEPLOY_ID), ("carol", CAROL_ID)):
        run("chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", "--uid", str(number), name)
    run("chroot", root, "chpasswd", stdin=f"carol:{CAROL_PASSWORD}\n".encode())
    put(root / "etc/sudoers.d/lab", SUDOERS, mode=0o440)
    put(root / "etc/systemd/system/ssh.service.d/lab.conf", SSH_DROP_IN)
    for unit in MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    _leave_out(root)


def _leave_out(root: Path) -> None:
    """Drop what only costs room, and the keys that the installation made: every machine gets its own."""
    for folder in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/locale", "usr/share/doc", "usr/share/man"):
        shutil.rmtree(root / folder)
        (root / folder).mkdir()
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()


def put(path: Path, content: str | bytes, *, mode: int = 0o644, owner: int = 0) -> None:
    """Write a file of a tree anew. It is never written in place: trees share their files through hard links."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    shutil.chown(path, owner, owner)


def install_init(root: Path, init: Init) -> None:
    """Make the tree boot that init. With the tiny one ``reboot`` is busybox's, which its init understands."""
    if init is Init.SYSTEMD:
        return
    busybox = find("busybox")
    if busybox is None:
        raise NotAvailable("the kernel lab needs the Debian package busybox-static")
    put(root / "usr/local/sbin/busybox", Path(busybox).read_bytes(), mode=0o755)
    put(root / "etc/inittab", INITTAB)
    put(root / "etc/lab-init", TINY_INIT.read_text(), mode=0o755)
    for name in ("init", "reboot", "poweroff", "halt"):
        link = root / "usr/sbin" / name
        link.unlink(missing_ok=True)
        link.symlink_to("/usr/local/sbin/busybox")


def status_stanza(control: str) -> str:
    """A package's control fields as ``/var/lib/dpkg/status`` keeps them: with a Status right after the name."""
    first, rest = control.strip("\n").split("\n", 1)
    if not first.startswith("Package:"):
        raise NotAvailable(f"not the control fields of a package: {first!r}")
    return f"{first}\nStatus: install ok installed\n{rest}\n\n"


def md5sums(root: Path, paths: list[Path]) -> str:
    """A package's ``.md5sums``, without which ``dpkg --audit`` complains."""
    sums = [(hashlib.md5((root / path).read_bytes(), usedforsecurity=False).hexdigest(), path) for path in paths]
    return "".join(f"{md5}  {path}\n" for md5, path in sums)


def file_list(paths: list[Path]) -> str:
    """A package's ``.list`` in ``/var/lib/dpkg/info``: every file and every folder above it, from the root down."""
    folders = {parent for path in paths for parent in path.parents}
    return "".join(f"/{path}\n" for path in sorted({*folders, *paths}))
