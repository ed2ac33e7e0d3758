# shellcheck shell=sh disable=SC2154,SC2034
# The part that runs as root: one inner call of sh, its root prefix an argument because sudo resets the environment.

root_main() {
  nonce=$1 root=$2
  set_up
  printf '\nPATCHWAVE %s root\n' "$nonce"
  section root_identity
  section root_transition
  extra_root_sections
}
