#!/bin/sh
# SUSEConnect --status: what the registration server says.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=suse
. "${0%/*}/_tool"

main() {
  take_time
  find_licence
  host_value os_version
  case $licence in
    valid) state=Registered subscription=ACTIVE ;;
    expired) state=Registered subscription=EXPIRED ;;
    *) state='Not Registered' subscription='' ;;
  esac
  printf '[{"identifier":"SLES","version":"%s","arch":"x86_64","status":"%s"' "$value" "$state"
  if [ -n "$subscription" ]; then
    printf ',"regcode":"INTERNAL-0000","starts_at":"2029-01-01 00:00:00 UTC","subscription_status":"%s"' "$subscription"
  fi
  printf '},{"identifier":"sle-module-live-patching","version":"%s","arch":"x86_64","status":"%s"}]\n' "$value" "$state"
}

speak main
