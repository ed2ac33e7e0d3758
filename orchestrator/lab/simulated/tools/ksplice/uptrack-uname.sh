#!/bin/sh
# uptrack-uname -r of Ksplice: the effective kernel, as uname would tell it. Anybody may ask.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=ksplice
. "${0%/*}/_tool"
. "${0%/*}/_ksplice"

main() {
  offer
  case $release in
    *.x86_64) echo "$(effective).x86_64" ;;
    *) effective ;;
  esac
}

speak main
