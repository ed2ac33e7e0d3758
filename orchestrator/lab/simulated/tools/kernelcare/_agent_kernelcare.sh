#!/bin/sh
# kcarectl --auto-update, every four hours: what is offered is applied, unless AUTO_UPDATE says no.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=kernelcare
. "${0%/*}/_tool"
. "${0%/*}/_kernelcare"

main() {
  find_licence
  if [ "$licence" != valid ] || ! is_agent_on || why_not >/dev/null; then return 0; fi
  host_value level_offered || return 0
  [ "$value" -le "$(remembered level 0)" ] || put_in_force "$value"
}

main
