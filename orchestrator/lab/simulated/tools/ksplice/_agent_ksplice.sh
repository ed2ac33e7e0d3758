#!/bin/sh
# The cron job: with autoinstall it installs what is offered.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=ksplice
. "${0%/*}/_tool"
. "${0%/*}/_ksplice"

main() {
  offer
  find_licence
  if [ "$licence" != valid ] || [ -e "$root/etc/uptrack/disable" ] || ! is_set autoinstall; then return 0; fi
  if [ -z "$(updates -vx)" ] || why_not >/dev/null; then return 0; fi
  one_at_a_time put_in_force
}

main
