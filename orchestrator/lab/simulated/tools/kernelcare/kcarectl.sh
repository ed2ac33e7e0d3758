#!/bin/sh
# kcarectl of KernelCare: 2.88 on one half of the hosts, 2.6 on the other, which knows no --check and tells the
# architecture with the effective kernel.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=kernelcare
. "${0%/*}/_tool"
. "${0%/*}/_kernelcare"

main() {
  level=$(remembered level 0)
  offered=0
  ! host_value level_offered || offered=$value
  find_licence
  case ${1:-} in
    --uname) print_uname ;;
    --version) if is_old_client; then echo 2.6-1; else echo 2.88-1; fi ;;
    --info | --patch-info | --update | --unload | --check | --status | --license-info | --lib-info) as_root "$1" ;;
    *) usage ;;
  esac
}

usage() {
  echo 'usage: kcarectl [-h] [-i] [-u] [--unload] ...' >&2
  echo "kcarectl: error: unrecognized arguments: $*" >&2
  return 2
}

as_root() {
  is_root || {
    echo 'Please run as root' >&2
    return 1
  }
  case $1 in
    --info) print_info ;;
    --patch-info) print_patch_info ;;
    --update) one_at_a_time update ;;
    --unload) one_at_a_time unload ;;
    --check) check ;;
    --status) tell_status ;;
    --license-info) tell_licence ;;
    --lib-info) tell_libraries ;;
  esac
}

print_uname() {
  if [ "$level" -eq 0 ]; then
    host_value release
    echo "$value"
  elif is_old_client; then
    echo "$(effective_of "$level").x86_64"
  else
    effective_of "$level"
  fi
}

print_info() {
  if [ "$level" -eq 0 ]; then
    echo "No patches applied, but some are available, run 'kcarectl --update'."
    return
  fi
  host_value release
  printf 'kpatch-state: patch is applied\nkpatch-for: Linux version %s (builder@example) #1 SMP\n' "$value"
  printf 'kpatch-build-time: Tue Jan %d 10:22:07 2030\nkpatch-description: ' "$((level % 28 + 1))"
  if is_old_client; then
    echo "$level;$(effective_of "$level").x86_64"
  else
    echo "$level-:$((1893456000 + level));$(effective_of "$level")"
  fi
}

print_patch_info() {
  [ "$level" -gt 0 ] || {
    echo 'No patches applied'
    return
  }
  host_value release
  printf 'OS: %s\nkernel: kernel-%s\ntime: 2030-01-15 10:22:07\nuname: %s\n' "$tool" "$value" "$(effective_of "$level")"
  print_cves "$level" "\nkpatch-name: fixes/patch.patch\nkpatch-description: a fix\nkpatch-cve: %s\nkpatch-cvss: 7.8
kpatch-cve-url: https://example.org/CVE-2099-9999\n"
}

need_licence() {
  [ "$licence" != valid ] || return 0
  tell_licence
  return 1
}

tell_licence() {
  take_time
  case $licence in
    valid) echo 'Key-based valid license found' ;;
    expired) echo 'Your license has expired' ;;
    *) echo 'No valid license found for IP 192.0.2.1' ;;
  esac
}

update() {
  take_time
  need_licence || return
  level=$(remembered level 0)
  if [ "$offered" -eq 0 ]; then
    host_value release
    echo "Unknown kernel ($value), no patches available"
    return 1
  fi
  if [ "$offered" -gt "$level" ]; then
    ! why_not || return 1
    echo 'Downloading updates'
    put_in_force "$offered"
    echo "Patch level $offered applied. Effective kernel version $(effective_of "$offered")"
  fi
  echo 'Kernel is safe'
}

unload() {
  if has_fault stalls_reverting; then
    echo 'Unable to unload patch: some threads could not be frozen'
    return 1
  fi
  take_out
  echo 'KernelCare protection disabled. Your kernel might not be safe'
}

check() {
  ! is_old_client || {
    usage --check
    return
  }
  take_time
  need_licence || return
  [ "$offered" -gt "$level" ] || return 1
}

tell_status() {
  take_time
  [ "$offered" -gt 0 ] || return 3
  [ "$level" -gt 0 ] || return 1
  [ "$offered" -le "$level" ] || return 2
}

tell_libraries() {
  if [ -x "${0%/*}/_libcare_info" ]; then
    "${0%/*}/_libcare_info"
  else
    echo '{"result": []}'
  fi
}

speak main "$@"
