#!/bin/sh
# yum 3 of Amazon Linux 2: another head and foot, long names on lines of their own, its own words.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=dnf program=yum
. "${0%/*}/_tool"
. "${0%/*}/_dnf"
. "${0%/*}/_repositories"

print_row() {
  printf '%s.x86_64\n                     %s         amzn2extra-livepatch\n' "$package" "$1"
}

say_no_match() {
  echo "No package $words available."
  echo 'Error: Nothing to do' >&2
}

say_locked() {
  echo "Existing lock /var/run/yum.pid: another copy is running as pid $lock_pid." >&2
  echo 'Another app is currently holding the yum lock; exiting as configured by exit_on_lock' >&2
}

main() {
  case "$*" in
    *updateinfo*)
      echo 'Loaded plugins: extras_suggestions, kernel-livepatch, langpacks, priorities, update-motd'
      run "$@" || return
      echo 'updateinfo list done'
      ;;
    *) run "$@" ;;
  esac
}

speak main "$@"
