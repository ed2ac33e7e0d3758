"""The whole error tree.

::

    PatchwaveError                    exit 1   a named failure; everything below is one
    ├── InvalidInput                  exit 2   wrong usage or a file we cannot accept: says file, line, field
    │   ├── SettingsInvalid                    patchwave.toml or a PATCHWAVE_ variable
    │   ├── InventoryInvalid                   an inventory file
    │   ├── CatalogueInvalid                   a patch file or its module
    │   ├── PlaybookInvalid                    a playbook
    │   ├── FeedInvalid                        a file of vulnerability data
    │   ├── PolicyInvalid                      a file of service levels
    │   └── PatternInvalid                     a host pattern (--limit, targets.hosts)
    ├── NotFound                      exit 2   a name that nothing answers to
    ├── Conflict                      exit 1   the world moved: somebody else holds it, or it is already so
    │   ├── LeaseHeld                          another live engine drives this rollout
    │   ├── StaleState                         a fenced-off engine tried to write
    │   ├── HostBeingChanged                   another attempt holds the host's lock in our database
    │   └── IdentityConflict                   two names, one machine; or one name, another machine
    ├── NotAvailable                  exit 3   a database, a service or a tool we need is not there
    │   └── FeedUnavailable                    a source of vulnerability data did not answer as it should
    ├── NotAllowed                    exit 4   read-only mode, a missing right
    └── HostError                     exit 1   what one host answered or failed to answer
        ├── Unreachable                        no session could be had
        │   ├── NameUnresolved  ConnectionRefused  ConnectTimedOut  BannerTimedOut  JumpFailed
        │   ├── HostKeyUnknown  HostKeyChanged  HostCertificateUnsupported
        │   └── AuthenticationFailed  KeyUnusable
        ├── SessionBroken                      a session was there, its answer is not whole
        │   └── ConnectionDropped  CommandTimedOut  OutputTooLarge  AnswerGarbled  ShellUnusable
        ├── RootUnavailable                    become failed
        │   └── SudoPasswordMissing  SudoPasswordWrong  SudoRefused  SudoMissing
        └── PatchRefused                       nothing was changed on the host
            ├── WrongBuild  BuildUnreadable  SignatureRequired  LivepatchUnsupported  NeedsRoot
            ├── ForeignPatch  TransitionUnderWay  HostLocked  HostDiskFull
            ├── ModuleInvalid  Downgrade  ToolNotReady
            ├── ToolMissing  ToolLocked  ToolNetwork  ToolConflict  Unlicensed
            └── NothingOffered  OtherLevel  NoRollback

Every class carries ``code`` (stable, snake_case: stored, shown in JSON and metrics), ``exit_code`` (of the CLI)
and ``status`` (of the HTTP API). Library errors are translated into these once, at the edge, ``from exc``.
"""

from typing import ClassVar


class PatchwaveError(Exception):
    """Root of all errors of ours. ``str()`` says what happened and what to do."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    status: ClassVar[int] = 500


class InvalidInput(PatchwaveError):
    """Input we cannot accept.

    ``file``, ``line`` (1-based) and ``field`` (dotted path) say where, as far as they are known.
    """

    code = "invalid_input"
    exit_code = 2
    status = 422

    def __init__(
        self, message: str, *, file: str | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        self.file, self.line, self.field, self.message = file, line, field, message
        place = ":".join(str(part) for part in (file, line) if part is not None)
        super().__init__(": ".join(part for part in (place, field, message) if part))


class SettingsInvalid(InvalidInput):
    """A setting in ``patchwave.toml`` or a ``PATCHWAVE_`` variable."""

    code = "settings_invalid"


class InventoryInvalid(InvalidInput):
    """An inventory file, or a host, group or variable in it."""

    code = "inventory_invalid"


class CatalogueInvalid(InvalidInput):
    """A patch file, or a module it names."""

    code = "catalogue_invalid"


class PlaybookInvalid(InvalidInput):
    """A playbook file."""

    code = "playbook_invalid"


class FeedInvalid(InvalidInput):
    """A file of vulnerability data. ``field`` is the place in it: a JSON pointer, an element, a line."""

    code = "feed_invalid"


class PolicyInvalid(InvalidInput):
    """A file of service levels."""

    code = "policy_invalid"


class PatternInvalid(InvalidInput):
    """A host pattern."""

    code = "pattern_invalid"


class NotFound(PatchwaveError):
    """Nothing answers to that name."""

    code = "not_found"
    exit_code = 2
    status = 404


class Conflict(PatchwaveError):
    """The world moved: somebody else holds it, or it is already so."""

    code = "conflict"
    status = 409


class LeaseHeld(Conflict):
    """Another live engine drives this rollout."""

    code = "lease_held"


class StaleState(Conflict):
    """A fenced-off engine tried to write: its lease was taken over."""

    code = "stale_state"


class HostBeingChanged(Conflict):
    """Another attempt holds the host's lock: one mutation per host at a time, across rollouts."""

    code = "host_being_changed"


class IdentityConflict(Conflict):
    """Two names answer as one machine, or one name as another machine."""

    code = "identity_conflict"


class NotAvailable(PatchwaveError):
    """A database, a service or a program that we need is not there."""

    code = "not_available"
    exit_code = 3
    status = 503


class FeedUnavailable(NotAvailable):
    """A source of vulnerability data did not answer, or answered with something else."""

    code = "feed_unavailable"


class NotAllowed(PatchwaveError):
    """Refused by read-only mode or for want of a right."""

    code = "not_allowed"
    exit_code = 4
    status = 403


class HostError(PatchwaveError):
    """What one host answered, or failed to answer. Recorded with the host; never ends a run over many."""

    code = "host_error"
    status = 502


class Unreachable(HostError):
    """No session with the host could be had."""

    code = "unreachable"


class NameUnresolved(Unreachable):
    """The address is a name that does not resolve."""

    code = "name_unresolved"


class ConnectionRefused(Unreachable):
    """Something answered that nothing listens on that port."""

    code = "connection_refused"


class ConnectTimedOut(Unreachable):
    """Nothing answered within the connect deadline."""

    code = "connect_timed_out"


class BannerTimedOut(Unreachable):
    """The port is open, but no SSH server spoke within the deadline."""

    code = "banner_timed_out"


class JumpFailed(Unreachable):
    """The jump host could not be reached, or refused to forward."""

    code = "jump_failed"


class HostKeyUnknown(Unreachable):
    """No key is pinned for this host."""

    code = "host_key_unknown"


class HostKeyChanged(Unreachable):
    """The host presented another key than the pinned one."""

    code = "host_key_changed"


class HostCertificateUnsupported(Unreachable):
    """The host is trusted through a certificate authority only, which cannot be verified here."""

    code = "host_certificate_unsupported"


class AuthenticationFailed(Unreachable):
    """The host refused the login."""

    code = "authentication_failed"


class KeyUnusable(Unreachable):
    """A private key file is missing, unreadable, malformed or encrypted."""

    code = "key_unusable"


class SessionBroken(HostError):
    """A session was there, but its answer is not whole."""

    code = "session_broken"


class ConnectionDropped(SessionBroken):
    """The connection ended in mid-command."""

    code = "connection_dropped"


class CommandTimedOut(SessionBroken):
    """The command did not end within its deadline."""

    code = "command_timed_out"


class OutputTooLarge(SessionBroken):
    """The host sent more than the cap and was cut off."""

    code = "output_too_large"


class AnswerGarbled(SessionBroken):
    """The answer does not have the form that our script gives it."""

    code = "answer_garbled"


class ShellUnusable(SessionBroken):
    """The login shell did not run our script (nologin, a forced command, no sh)."""

    code = "shell_unusable"


class RootUnavailable(HostError):
    """Becoming root failed."""

    code = "root_unavailable"


class SudoPasswordMissing(RootUnavailable):
    """sudo wants a password and none is configured."""

    code = "sudo_password_missing"


class SudoPasswordWrong(RootUnavailable):
    """sudo refused the password."""

    code = "sudo_password_wrong"


class SudoRefused(RootUnavailable):
    """sudoers does not let this account run it."""

    code = "sudo_refused"


class SudoMissing(RootUnavailable):
    """The host has no sudo."""

    code = "sudo_missing"


class PatchRefused(HostError):
    """The change was refused before anything was touched on the host."""

    code = "patch_refused"
    status = 409


class WrongBuild(PatchRefused):
    """No module of this patch fits the running kernel build."""

    code = "wrong_build"


class BuildUnreadable(PatchRefused):
    """The build id of the running kernel could not be read, so nothing can be said to fit it."""

    code = "build_unreadable"


class SignatureRequired(PatchRefused):
    """The kernel enforces module signatures and the module carries none."""

    code = "signature_required"


class LivepatchUnsupported(PatchRefused):
    """The kernel has no live-patch support (CONFIG_LIVEPATCH), or this is a container."""

    code = "livepatch_unsupported"


class ToolNotReady(PatchRefused):
    """The host's live-patch tool cannot be used as it is; the message has its state and why."""

    code = "tool_not_ready"


class NeedsRoot(PatchRefused):
    """Root is needed and not to be had."""

    code = "needs_root"


class ForeignPatch(PatchRefused):
    """A live patch that we did not load would be replaced or touched."""

    code = "foreign_patch"


class TransitionUnderWay(PatchRefused):
    """Another patch stayed in transition for the whole limit."""

    code = "transition_under_way"


class HostLocked(PatchRefused):
    """Another controller's live lock is on the host; the message names it."""

    code = "host_locked"


class HostDiskFull(PatchRefused):
    """There is no room on the host for the module."""

    code = "host_disk_full"


class ModuleInvalid(PatchRefused):
    """The module did not arrive as it was sent, or its file is not what the catalogue recorded."""

    code = "module_invalid"


class Downgrade(PatchRefused):
    """The patch would replace one in force and lacks some of its fixes."""

    code = "downgrade"


class ToolMissing(PatchRefused):
    """The host's live-patch tool, or a program that it needs, is not there."""

    code = "tool_missing"


class ToolLocked(PatchRefused):
    """Another process held the package manager's lock, or the tool's own, for the whole limit."""

    code = "tool_locked"


class ToolNetwork(PatchRefused):
    """The host's live-patch tool cannot reach its server or repository."""

    code = "tool_network"


class ToolConflict(PatchRefused):
    """Another live-patch tool is at work on the host."""

    code = "tool_conflict"


class Unlicensed(PatchRefused):
    """The host's live-patch tool has no licence, subscription or registration, or an expired one."""

    code = "unlicensed"


class NothingOffered(PatchRefused):
    """The host's live-patch tool offers nothing for the running kernel, or not what was asked for."""

    code = "nothing_offered"


class OtherLevel(PatchRefused):
    """Another level than the one that was asked for is in force on the host, and was left as it is."""

    code = "other_level"


class NoRollback(PatchRefused):
    """The host's live-patch tool cannot take its patch out of force."""

    code = "no_rollback"
