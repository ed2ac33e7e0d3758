#!/bin/sh
# The service kcare at boot: kcarectl --smart-update with UPDATE_POLICY=REMOTE, whatever AUTO_UPDATE says.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=kernelcare
. "${0%/*}/_tool"
. "${0%/*}/_kernelcare"

main() {
  find_licence
  if [ "$licence" != valid ] || why_not >/dev/null; then return 0; fi
  host_value level_offered || return 0
  [ "$value" -eq 0 ] || put_in_force "$value"
}

main
