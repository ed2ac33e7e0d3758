#!/bin/sh
# Before the network: what was in force before the reboot comes back, with install_on_reboot.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=ksplice
. "${0%/*}/_tool"
. "${0%/*}/_ksplice"

main() {
  offer
  if [ -e "$root/etc/uptrack/disable" ] || ! is_set install_on_reboot; then return 0; fi
  [ -s "$lab/tools/$tool/init_plan" ] || return 0
  mkdir -p "${ids%/*}"
  cp "$lab/tools/$tool/init_plan" "$ids"
  ! has_fault lies || return 0
  while read -r id; do load_plain_module "ksplice_$id"; done <"$ids"
  tell_truth "level=$(word)" "patch ksplice $(word)"
}

main
