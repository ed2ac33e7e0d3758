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
  section kernels
  section reboot
  section packages
  extra_sections
  define_root_part
  uid=$(call id -u </dev/null) how=none status=''
  run_root_part
  body=''
  put uid "$uid"
  put how "$how"
  put status "$status"
  print_section account 0 10000
  printf '\nPATCHWAVE %s done\n' "$nonce"
}

# sudo keeps the channel's stdin where it may have to read the password from it; everything else gets /dev/null.
# Its complaints go to the channel's stderr, where the prompt has to appear. The prompt is put together here, so that
# a shell that merely echoes its command line never shows it.
run_root_part() {
  if [ "$uid" = 0 ]; then
    how=login
    sh -c "$root_part" patchwave-check "$nonce" "$root" </dev/null
  elif [ "$become" = none ]; then
    return 0
  elif ! can_call sudo; then
    how=missing
    return 0
  elif [ "$become" = password ]; then
    how=sudo
    call sudo -S -p "[patchwave $nonce] password: " -- sh -c "$root_part" patchwave-check "$nonce" "$root"
  else
    how=sudo
    call sudo -n -- sh -c "$root_part" patchwave-check "$nonce" "$root" </dev/null
  fi
  status=$?
}
