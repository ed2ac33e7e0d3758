#!/bin/sh
# dnf-automatic: it installs what is offered. Nothing pins it.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=dnf
. "${0%/*}/_tool"
. "${0%/*}/_dnf"

main() {
  find_package
  find_installed
  find_licence
  host_value distribution
  if [ "$value" = rhel ] && [ "$licence" != valid ]; then return 0; fi
  [ "$installed" -ge "$offered" ] || one_at_a_time install_level "$offered"
}

main
