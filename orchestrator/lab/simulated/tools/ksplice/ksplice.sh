#!/bin/sh
# The command ksplice: `ksplice [-y|-n] kernel show|upgrade|remove|uname`, `ksplice user show`.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=ksplice
. "${0%/*}/_tool"
. "${0%/*}/_ksplice"
. "${0%/*}/_uptrack"

main() {
  given=''
  case ${1:-} in
    -y | -n)
      given=$1
      shift
      ;;
  esac
  case ${1:-}:${2:-} in
    kernel:uname) exec "${0%/*}/uptrack-uname" -r ;;
    kernel:show | kernel:upgrade | kernel:remove)
      [ "$2" != show ] || echo 'Ksplice kernel updates:'
      shift
      uptrack "$@" ${given:+"$given"}
      ;;
    user:show) show_user ;;
    *)
      echo 'usage: ksplice [-h] [-y] [-n] {kernel,user,xen,all} ...' >&2
      return 2
      ;;
  esac
}

show_user() {
  is_root || {
    echo 'You must be root to do this.' >&2
    return 1
  }
  printf 'Ksplice user-space updates:\nchronyd (705)\nsshd (911)\n  \342\224\224\342\224\200 [h73qvum1]: CVE-2099-7814: A fix.\n'
}

speak main "$@"
