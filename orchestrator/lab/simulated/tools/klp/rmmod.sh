#!/bin/sh
# Usage: rmmod NAME. A module whose patch is still in sysfs is in use.
# shellcheck source=/dev/null disable=SC2154 # variables of _kernel
. "${0%/*}/_kernel"

fail() {
  unlock
  echo "rmmod: ERROR: $1" >&2
  exit 1
}

main() {
  lock
  is_root || fail "could not remove '$1': Operation not permitted"
  [ -d "$modules/$1/notes" ] || fail "Module $1 is not currently loaded"
  first_line "$modules/$1/refcnt"
  [ "$line" = 0 ] || fail "Module $1 is in use"
  rm -rf "${modules:?}/$1" "$lab/modules/$1"
  grep -v "^$1 " "$root/proc/modules" >"$lab/modules.new"
  mv "$lab/modules.new" "$root/proc/modules"
  unlock
}

main "$@"
