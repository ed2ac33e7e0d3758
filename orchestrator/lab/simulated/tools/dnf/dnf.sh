#!/bin/sh
# dnf 4: updateinfo list cves, list --available, install, upgrade; on Amazon Linux kernel-livepatch support.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=dnf program=dnf
. "${0%/*}/_tool"
. "${0%/*}/_dnf"
. "${0%/*}/_repositories"

print_row() {
  printf '%s.x86_64   %s   baseos\n' "$package" "$1"
}

say_no_match() {
  echo "No match for argument: $words"
  echo "Error: Unable to find a match: $words" >&2
}

say_locked() {
  echo "Error: metadata already locked by $lock_pid" >&2
}

speak run "$@"
