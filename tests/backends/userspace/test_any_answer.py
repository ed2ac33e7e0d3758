"""Whatever a host says, the readers of KernelCare, of userspace patches and of old processes tell something of it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.backends.base import Backend
from orchestrator.backends.kernelcare import KernelCare
from orchestrator.backends.libcare import LibCare
from orchestrator.backends.libpulp import Libpulp
from orchestrator.backends.userspace import Userspace
from orchestrator.core.facts import PatchState
from orchestrator.probe.text import clean
from tests.backends.answered import section, seen

BACKENDS: tuple[Backend, ...] = (KernelCare(), LibCare(), Libpulp(), Userspace())

WORDS = st.sampled_from(
    [
        b"kpatch-state: patch is applied\n",
        b"kpatch-description: 3-:1;5.4.0-1.2\n",
        b"kpatch-cve: CVE-2024-1086\n",
        b"effective=5.4.0-1.2\nmodule=yes\nproc=yes\n",
        b"setting=AUTO_UPDATE=False\npinned=yes\n",
        b'{"pid": 1, "comm": "a", "b": {"patchlvl": 1}}\n',
        b"pid=1 comm=a\nlibc.so.6 buildid=ab patchlvl=1\n",
        b"PID: 1, name: a\n    in /lib/a.so:\n      livepatch: b.so\n",
        b"      2 sshd\t/usr/lib/a.so\nend\n",
    ]
)
BODIES = st.lists(WORDS | st.binary(max_size=60), max_size=8).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(
    backend=st.sampled_from(BACKENDS),
    bodies=st.lists(
        st.tuples(BODIES, st.sampled_from([0, 1, 2, 3, 127]), st.text(max_size=30)), min_size=9, max_size=9
    ),
)
def test_any_answer_is_read(backend: Backend, bodies: list[tuple[bytes, int, str]]) -> None:
    """Nothing raises, what is kept is bounded and printable, and what is in force has a name."""
    parts = (*backend.parts, *backend.deep_parts)
    check = seen(*(section(part.name, *body) for part, body in zip(parts, bodies, strict=False)))

    report, deep = backend.read(check), backend.read_deep(check)

    for detail in (report.tool.detail, deep.detail if deep is not None else None, *report.tool.disagrees):
        assert detail is None or detail == clean(detail, 600)
    assert all(told.version for told in report.told if told.state is PatchState.APPLIED)
    assert all(patch.target for patch in report.userspace_patches)
