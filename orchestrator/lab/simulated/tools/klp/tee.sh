#!/bin/sh
# Usage: tee FILE. Writing to a patch's `enabled` is answered as the kernel does; all other files are written.
# shellcheck source=/dev/null disable=SC2154 # variables of _kernel
. "${0%/*}/_kernel"

# answer WORDS: strerror(3) of what enabled_store() returns.
answer() {
  unlock
  echo "tee: $file: $1" >&2
  exit 1
}

store() {
  first_line "$file"
  [ "$line" != "$value" ] || answer 'Invalid argument'
  if find_moving; then
    [ "$moving" = "$name" ] || answer 'Device or resource busy'
    say "livepatch: '$name': reversing transition"
  elif [ "$value" = 1 ]; then
    # A disabled patch is not enabled again: its module is removed and inserted.
    answer 'Invalid argument'
  else
    say "livepatch: '$name': starting unpatching transition"
  fi
  put "$file" "$value"
  begin_transition "$name"
}

main() {
  file=$1
  case $file in
    "$patches"/*/enabled) ;;
    *) PATH=/usr/bin:/bin exec tee "$@" ;;
  esac
  read -r value || [ -n "$value" ] || exit 0
  name=${file%/enabled}
  name=${name##*/}
  printf '%s\n' "$value"
  lock
  is_root || answer 'Permission denied'
  [ -f "$file" ] || answer 'No such file or directory'
  store
  unlock
}

main "$@"
