#!/bin/sh
# kpatch.service: what is installed for the kernel that booted is loaded.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=kpatch version=0.9.11
. "${0%/*}/_tool"
. "${0%/*}/_kpatch"

main() {
  for file in "$installed/$(running)"/*.ko; do
    [ ! -e "$file" ] || (load_module "$file")
  done
}

main
