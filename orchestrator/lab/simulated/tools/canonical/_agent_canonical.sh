#!/bin/sh
# The daemon's own check, every hour: what is offered is inserted, unless its interval is 0.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=canonical
. "${0%/*}/_tool"
. "${0%/*}/_canonical"

main() {
  find_licence
  if [ "$licence" != valid ] || [ "$(setting check-interval)" = 0 ] || is_locked; then return 0; fi
  find_target
  [ "$target" -le "$(remembered tried 0)" ] || insert "$target"
}

main
