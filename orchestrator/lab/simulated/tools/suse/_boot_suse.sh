#!/bin/sh
# At boot the initrd loads the module of what is installed.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=suse
. "${0%/*}/_tool"
. "${0%/*}/_suse"

main() {
  find_package
  find_installed
  [ "$installed" -lt 0 ] || load_level "$installed"
}

main
