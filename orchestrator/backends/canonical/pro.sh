# shellcheck shell=sh disable=SC2154
# The subscription. Slow, and it may ask the contract server: for deep checks alone.

canonical_pro() {
  for pro in pro ua ubuntu-advantage; do
    if has_tool "$pro"; then
      call "$pro" status --format json
      return
    fi
  done
}
