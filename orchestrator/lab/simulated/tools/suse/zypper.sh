#!/bin/sh
# zypper: list-patches --cve, search --details, install NAME or NAME=VERSION. Two ages: 1.14.51 of SP3, and one that has
# wider columns and one more.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=suse
. "${0%/*}/_tool"
. "${0%/*}/_suse"

main() {
  verb='' words=''
  for argument; do
    case $argument in
      -*) ;;
      *) if [ -z "$verb" ]; then verb=$argument; else words="$words $argument"; fi ;;
    esac
  done
  words=${words##* }
  find_package
  find_licence
  if [ "$licence" = none ]; then
    echo 'Warning: No repositories defined. Operating only with the installed resolvables. Nothing can be installed.'
    return 6
  fi
  case $verb in
    list-patches | lp) as_root list_patches ;;
    search | se) list_versions ;;
    install | in) as_root one_at_a_time install_words ;;
    patch-check | pchk) patch_check ;;
    *)
      echo "Unknown command '$verb'" >&2
      return 2
      ;;
  esac
}

as_root() {
  is_root || {
    echo 'Root privileges are required to run this command.' >&2
    return 5
  }
  if package_lock; then
    echo "System management is locked by the application with pid $lock_pid (zypper)."
    echo 'Close this application before trying again.'
    return 7
  fi
  take_time
  if [ "$licence" = expired ]; then
    echo "Problem retrieving the repository index file for service 'SUSE_Linux_Enterprise': Error code: 403"
    return 106
  fi
  "$@"
}

say_loading() {
  printf 'Loading repository data...\nReading installed packages...\n'
}

is_old() {
  case $code in 150300) return 0 ;; *) return 1 ;; esac
}

patch_check() {
  find_installed
  [ "$installed" -lt 0 ] || [ "$installed" -ge "$offered" ] || return 101
}

# A module's own patch for each level; a new kernel on every fourth host; something else everywhere.
list_patches() {
  find_installed
  say_loading
  printf '\nThe following matches in issue numbers have been found:\n\n'
  if is_old; then
    echo 'Issue | No.            | Patch                                          | Category | Severity  | Interactive | Status | Summary'
    echo '------+----------------+------------------------------------------------+----------+-----------+-------------+--------+--------'
  else
    echo 'Issue | No. | Patch | Category | Severity | Interactive | Status | Since | Summary'
    echo '--+--+--+--+--+--+--+--+--'
  fi
  number=1
  [ "$installed" -lt 1 ] || number=$((installed + 1))
  while [ "$number" -le "$offered" ]; do
    show_patch "$(cve_of "$number")" "SUSE-SLE-Module-Live-Patching-15-SPX-2099-$number" '---' \
      "Security update for the Linux Kernel (Live Patch $number for SLE 15)"
    number=$((number + 1))
  done
  host_value number
  if [ "$((value % 4))" -eq 1 ]; then
    show_patch CVE-2099-1998 SUSE-SLE-Module-Basesystem-15-SPX-2099-900 reboot 'Security update for the Linux Kernel'
  fi
  show_patch CVE-2099-1997 SUSE-SLE-Module-Basesystem-15-SPX-2099-901 '---' 'Security update for zlib'
}

show_patch() {
  if is_old; then
    printf 'cve   | %-14s | %-46s | security | important | %-11s | needed | %s\n' "$@"
  else
    printf 'cve | %s | %s | security | important | %s | needed | - | %s\n' "$@"
  fi
}

list_versions() {
  say_loading
  if [ "$words" != "$package" ] || [ "$offered" -eq 0 ]; then
    echo 'No matching items found.'
    return 104
  fi
  find_installed
  printf '\nS  | Name | Type | Version | Arch | Repository\n---+------+------+---------+------+-----------\n'
  number=$offered
  while [ "$number" -ge 0 ]; do
    state='v '
    [ "$installed" -ne "$number" ] || state='i+'
    [ "$installed" -ge 0 ] || state='  '
    echo "$state | $package | package | $(version_of "$number") | x86_64 | SLE-Module-Live-Patching-Updates"
    number=$((number - 1))
  done
}

install_words() {
  find_installed
  say_loading
  level=$offered
  if [ "$words" != "$package" ]; then
    level=-1 number=0
    while [ "$number" -le "$offered" ]; do
      [ "$words" != "$package=$(version_of "$number")" ] || level=$number
      number=$((number + 1))
    done
  fi
  if [ "$level" -lt 0 ] || [ "$offered" -eq 0 ]; then
    echo "No provider of '$words' found."
    return 104
  fi
  if [ "$level" -le "$installed" ]; then
    printf "'%s' is already installed.\nResolving package dependencies...\nNothing to do.\n" "$package"
    return 0
  fi
  printf 'Resolving package dependencies...\n\nThe following NEW package is going to be installed:\n  %s\n' "$package"
  install_level "$level"
  case $? in
    0) echo "(1/1) Installing: $package-$(version_of "$level").x86_64 [done]" ;;
    28)
      echo 'Installation has failed: not enough disk space'
      return 8
      ;;
    75)
      echo "System management is locked by the application with pid $lock_pid (zypper)."
      return 7
      ;;
    *)
      echo "warning: %post($package-$(version_of "$level").x86_64) scriptlet failed, exit status 1"
      return 107
      ;;
  esac
}

speak main "$@"
