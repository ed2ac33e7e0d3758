# shellcheck shell=sh disable=SC2154
# SUSE's libpulp: which processes carry live patches of their libraries.

# There is something to ask: for logins without root.
libpulp_there() {
  :
}

libpulp_processes() {
  call ulp patches
}
