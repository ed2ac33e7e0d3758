#!/bin/sh
# The daemon's start: it inserts what it has on its disk, unless the host crashed right after it did so last.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=canonical
. "${0%/*}/_tool"
. "${0%/*}/_canonical"

main() {
  find_licence
  downloaded=$(kept downloaded 0)
  if has_fault reboots_after && [ "$downloaded" -gt 0 ]; then : >"$snap/lock"; fi
  if [ "$licence" = none ] || is_locked || [ "$downloaded" -eq 0 ]; then return 0; fi
  insert "$downloaded"
}

main
