#!/bin/sh
# kpatch.service: what is installed for the running kernel is loaded.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=dnf
. "${0%/*}/_tool"
. "${0%/*}/_dnf"

main() {
  find_package
  find_installed
  [ "$installed" -eq 0 ] || load_level "$installed"
}

main
