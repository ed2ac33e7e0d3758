#!/bin/sh
# libcare-ctl of LibCare: info -n.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=libcare
. "${0%/*}/_tool"
. "${0%/*}/_libcare"

main() {
  case $* in
    'info -n') print_libraries 'pid=%s comm=%s\n' '%s buildid=%s patchlvl=%s\n' ;;
    *)
      echo 'usage: libcare-ctl [-v] [-h] <cmd> [args]' >&2
      return 1
      ;;
  esac
}

speak main "$@"
