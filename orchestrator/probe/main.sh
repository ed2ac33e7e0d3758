# shellcheck shell=sh disable=SC2154,SC2034
# The order of the sections, and the one inner call that runs the root part.

main() {
  nonce=$1 become=$2 known=$3 root=${PATCHWAVE_ROOT:-}
  set_up
  printf '\nPATCHWAVE %s begin\n' "$nonce"
  section os
  section kernel
  section boot
  section security
  section virtualization
  section livepatch
  section reboot
  section packages
  section kernels
  extra_sections
  define_root_part
  run_as_root "$become" "$nonce" "$root_part" patchwave-check "$nonce" "$root"
  body=''
  put uid "$uid"
  put how "$how"
  put status "$status"
  print_section account 0 10000
  printf '\nPATCHWAVE %s done\n' "$nonce"
}
