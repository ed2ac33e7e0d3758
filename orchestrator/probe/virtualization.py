"""Container, virtual machine, or neither."""

from orchestrator.core.facts import Virtualization
from orchestrator.probe.fields import Fields

_CONTAINERS = frozenset(
    {"systemd-nspawn", "lxc", "lxc-libvirt", "docker", "podman", "openvz", "rkt", "wsl", "proot", "pouch", "oci",
     "container-other"}
)  # fmt: skip
"""systemd-detect-virt(1), table "container"."""

_VM_VENDORS = (
    "qemu", "vmware", "xen", "microsoft corporation", "innotek", "amazon ec2", "google", "openstack", "bochs",
    "parallels", "bhyve", "digitalocean", "hetzner", "nutanix",
)  # fmt: skip
"""DMI system vendors of virtual machines, where nothing better is known."""


def parse_virtualization(fields: Fields, root: Fields) -> Virtualization | None:
    """Files and systemd's word first; then DMI and the processor's hypervisor flag. None: cannot be told."""
    detected = fields.get("detected")
    if fields.get("container") or root.get("container") or detected in _CONTAINERS:
        return Virtualization.CONTAINER
    if detected is not None:
        return Virtualization.NONE if detected == "none" else Virtualization.VM
    if root.lacks:
        # A container without systemd tells only root, in the environment of its first process.
        return None
    vendor = (fields.get("vendor") or "").lower()
    if fields.get("hypervisor") or fields.get("flags") == "hypervisor" or vendor.startswith(_VM_VENDORS):
        return Virtualization.VM
    return Virtualization.NONE if fields.get("flags") == "none" else None
