#!/bin/sh
# systemctl enable kpatch.service: from then on the boot loads what is installed.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=kpatch
. "${0%/*}/_tool"

main() {
  [ "$*" = 'enable kpatch.service' ] || {
    echo "Failed to do '$*': only the units of live patching are simulated" >&2
    return 1
  }
  wants=$root/etc/systemd/system/multi-user.target.wants
  mkdir -p "$wants"
  [ -e "$wants/kpatch.service" ] || echo "Created symlink /etc/systemd/system/multi-user.target.wants/kpatch.service." >&2
  : >"$wants/kpatch.service"
  keep at_boot yes
}

main "$@"
