# shellcheck shell=sh disable=SC2154
# What the client tells, by one process; before it a line each about the kernel and the subscription, by none.

canonical_status() {
  signature=''
  { IFS= read -r signature; } 2>/dev/null <"$root/proc/version_signature"
  find_attached
  printf 'signature=%s\nattached=%s\n' "$signature" "$attached"
  { words=$(call_last canonical-livepatch status --format json 2>&1 1>&3 3>&-); status=$?; } 3>&1
  # A client that knows no such flag, or no such format, says so and prints nothing else; --verbose is YAML to it.
  case $status:$words in
    0:*) ;;
    *flag* | *--format* | *[Uu]sage:*)
      call canonical-livepatch status --verbose
      return
      ;;
  esac
  printf '%s\n' "$words" >&2
  return "$status"
}

# Whoever is attached to Ubuntu Pro has this file, the older clients among them only for root to see.
find_attached() {
  pro=$root/var/lib/ubuntu-advantage attached=unknown
  if [ -e "$pro/machine-token.json" ] || [ -e "$pro/private/machine-token.json" ]; then
    attached=yes
  elif [ -d "$pro" ] && { [ ! -d "$pro/private" ] || [ -x "$pro/private" ]; }; then
    attached=no
  fi
}
