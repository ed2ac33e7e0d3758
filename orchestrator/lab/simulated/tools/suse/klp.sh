#!/bin/sh
# klp of kernel-livepatch-tools: [-v] status, patches, blocking; check; [-n] downgrade.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=suse
. "${0%/*}/_tool"
. "${0%/*}/_suse"

main() {
  verbose=no verb=''
  for argument; do
    case $argument in
      -v | -vv) verbose=yes ;;
      -n) ;;
      *) verb=$argument ;;
    esac
  done
  find_package
  case $verb in
    status) if find_moving; then echo in_progress; else echo ready; fi ;;
    check) ! find_moving ;;
    patches) list_patches ;;
    blocking) list_blocking ;;
    downgrade) one_at_a_time downgrade ;;
    *)
      echo 'Usage: klp [-hv] COMMAND' >&2
      return 1
      ;;
  esac
}

list_patches() {
  first=yes
  for folder in "$patches"/*/; do
    [ -d "$folder" ] || continue
    folder=${folder%/}
    [ "$first" = yes ] || [ "$verbose" = no ] || echo
    first=no
    echo "${folder##*/}"
    [ "$verbose" = no ] || describe "${folder##*/}"
  done
}

describe() {
  first_line "$patches/$1/enabled"
  echo "    active: $line"
  level=0
  while [ "$level" -le 60 ]; do
    if [ "$(module_of "$level")" = "$1" ]; then
      echo "    RPM: $package-$(version_of "$level").x86_64"
      if [ "$level" -eq 0 ]; then
        echo '    CVE: (none - this is an initial kernel live patch)'
      else
        echo "    CVE: $(cves_of "$level" | sed 's/ $//')"
      fi
      echo '    bug fixes and enhancements: (none)'
      return
    fi
    level=$((level + 1))
  done
}

list_blocking() {
  if find_moving; then
    echo "$blocker"
  elif [ "$verbose" = yes ]; then
    echo 'no threads with klp_in_progress set'
  fi
}

downgrade() {
  is_root || {
    echo 'klp: root privileges are required' >&2
    return 1
  }
  take_time
  find_installed
  if [ "$installed" -lt 1 ]; then
    echo 'There is no previous version of the kernel live patch.'
    return 1
  fi
  install_level "$((installed - 1))"
  case $? in
    0) ;;
    75)
      echo "System management is locked by the application with pid $lock_pid (zypper)."
      return 7
      ;;
    *)
      echo 'The previous version could not be installed.'
      return 1
      ;;
  esac
}

speak main "$@"
