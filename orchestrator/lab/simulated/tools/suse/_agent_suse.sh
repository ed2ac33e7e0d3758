#!/bin/sh
# A nightly `zypper patch`: it installs what is offered. Nothing pins it.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=suse
. "${0%/*}/_tool"
. "${0%/*}/_suse"

main() {
  find_package
  find_installed
  find_licence
  if [ "$licence" != valid ] || [ "$offered" -eq 0 ] || [ "$installed" -ge "$offered" ]; then return 0; fi
  one_at_a_time install_level "$offered"
}

main
