#!/bin/sh
# canonical-livepatch: status, refresh, config. Of the hosts one third has 9.5.5, which knows no JSON; the others have
# 10.8.5 and 10.15.0, some of them with a free subscription, which has no cut-off date.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=canonical
. "${0%/*}/_tool"
. "${0%/*}/_canonical"

main() {
  host_value number
  number=${value:-0}
  case $((number % 3)) in
    0) client=10.8.5 ;;
    1) client=10.15.0 ;;
    *) client=9.5.5 ;;
  esac
  find_licence
  action=${1:-}
  case $action in
    status) status "$@" ;;
    refresh) one_at_a_time refresh ;;
    config) configure "${2:-}" ;;
    *)
      echo "error: unknown command \"$action\"" >&2
      return 2
      ;;
  esac
}

need_enabled() {
  [ "$licence" != none ] || {
    echo "Machine is not enabled. Please run 'sudo canonical-livepatch enable' with the" >&2
    echo 'token obtained from https://ubuntu.com/livepatch.' >&2
    return 1
  }
}

need_root() {
  is_root || {
    echo 'This command must be run as root (try with sudo)' >&2
    return 1
  }
}

# --- status -----------------------------------------------------------------------------------------------------------

status() {
  need_enabled || return
  find_state
  case $client:$* in
    9.*--format\ json*)
      echo 'error: invalid value "json" for flag --format: unknown format "json"' >&2
      return 2
      ;;
    *--format\ json*) print_json ;;
    9.*--verbose* | 9.*--format\ yaml*) print_yaml ;;
    *) print_lines ;;
  esac
}

# state, version (empty where there is none), level, check
find_state() {
  level=$(remembered tried 0) version='' check=checked
  [ "$licence" = valid ] || check='check-failed'
  if [ "$level" -gt 0 ]; then
    version=$(version_of "$level")
    if has_fault lies || is_applied "$level"; then
      state=applied
    elif [ -d "$patches/$(module_of "$level")" ]; then
      state=unapplied version=''
    else
      state=apply-failed
    fi
    return
  fi
  find_target
  state=nothing-to-apply
  [ "$target" -eq 0 ] || state=unapplied
  ! is_locked || state=apply-failed version=$(version_of "$(kept downloaded 1)")
  find_kernel
}

# print_fixes FORMAT BETWEEN: what each level up to the one in question fixes.
print_fixes() {
  count=1 between=''
  while [ "$count" -le "$level" ]; do
    # shellcheck disable=SC2059 # the format is ours
    printf "$between$1" "$(cve_of "$count")"
    between=$2
    count=$((count + 1))
  done
}

print_json() {
  find_kernel
  patched=false
  [ "$state" != applied ] || patched=true
  printf '{"Client-Version": "%s", "Machine-Id": "%032d", "Architecture": "x86_64", ' "$client" "$number"
  printf '"Last-Check": "%s", "Uptime": "4711", "Status": [{"Kernel": "%s", "Running": true, "Livepatch": ' \
    "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$kernel"
  printf '{"CheckState": "%s", "State": "%s", "Version": "%s"' "$check" "$state" "$version"
  if [ -n "$version" ] && [ "$level" -gt 0 ]; then
    printf ', "Fixes": ['
    print_fixes "{\"Name\": \"%s\", \"Description\": \"\", \"Bug\": \"\", \"Patched\": $patched}" ', ' | tr CVE cve
    printf ']'
  fi
  printf '}, "Supported": "supported", "UpgradeRequiredDate": "2099-03-31"}], "tier": "updates"}\n'
}

print_yaml() {
  find_kernel
  printf 'client-version: %s\nmachine-id: %032d\narchitecture: x86_64\nlast-check: %s\nuptime: 1h18m31s\n' \
    "$client" "$number" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  printf 'status:\n- kernel: %s\n  running: true\n  livepatch:\n' "$kernel"
  printf '    checkState: %s\n    patchState: %s\n    version: "%s"\n' "$check" "$state" "$version"
  if [ -n "$version" ] && [ "$level" -gt 0 ]; then
    printf '    fixes: |-\n'
    print_fixes '      * %s\n' ''
  else
    printf '    fixes: ""\n'
  fi
}

print_lines() {
  find_kernel
  printf 'last check: 12 minutes ago\nkernel: %s\nserver check-in: ' "$kernel"
  if [ "$check" = checked ]; then echo succeeded; else echo 'failed: livepatch check failed'; fi
  case $client in 10.*) echo "kernel state: ✓ kernel series ${kernel%.*.*} is covered by Livepatch" ;; esac
  printf 'patch state: '
  case $state in
    applied) printf '✓ all applicable livepatch modules inserted\npatch version: %s\n' "$version" ;;
    unapplied) echo '⧗ livepatches are installed, but the module is not yet applied' ;;
    apply-failed) echo '✗ failed to confirm that the Livepatch kernel module was applied successfully' ;;
    *) echo '✓ no livepatches needed for this kernel yet' ;;
  esac
}

# --- what changes the host --------------------------------------------------------------------------------------------

refresh() {
  need_root || return
  need_enabled || return
  take_time
  if [ "$licence" = expired ]; then
    echo 'livepatch check failed: machine token is invalid or has expired' >&2
    return 1
  elif is_locked; then
    echo 'detected a crash last time the Livepatch kernel module was applied, check system logs' >&2
    return 1
  fi
  find_target
  [ "$target" -le "$(remembered tried 0)" ] || insert "$target"
  find_state
  echo 'After refresh:'
  print_lines
}

configure() {
  need_root || return
  key=${1%%=*} value=${1#*=}
  case $client:$((number % 2)):$key in
    *:check-interval) ;;
    10.*:0:cutoff-date)
      host_value level_offered
      keep cutoff_level "${value:-0}"
      value=${1#*=}
      ;;
    10.*:1:cutoff-date)
      echo 'error: cutoff-date is only available with a paid subscription' >&2
      return 1
      ;;
    *)
      echo "error: unknown configuration key \"$key\"" >&2
      return 1
      ;;
  esac
  mkdir -p "$snap"
  { grep -v "^$key:" "$snap/config" 2>/dev/null; [ -z "$value" ] || printf '%s: "%s"\n' "$key" "$value"; } \
    >"$snap/config.new"
  mv "$snap/config.new" "$snap/config"
}

speak main "$@"
