# shellcheck shell=sh disable=SC2154
# What holds the client where it is, by files alone: its settings, its mode, and whether we did it.

canonical_pin() {
  held_by_settings 2>/dev/null <"$root/var/snap/canonical-livepatch/common/config"
  mode='' words=''
  { IFS= read -r mode; } 2>/dev/null <"$root/var/local/canonical_livepatch_mode"
  { IFS= read -r words; } 2>/dev/null <"$root/proc/cmdline"
  case " $words" in *' canonical_livepatch_mode='*)
    mode=${words##*canonical_livepatch_mode=}
    mode=${mode%% *}
    ;;
  esac
  if [ -n "$mode" ]; then printf 'mode=%s\n' "$mode"; fi
  if [ -e "$root/var/lib/patchwave/pins/canonical" ]; then echo 'ours=yes'; fi
}

held_by_settings() {
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in check-interval:* | cutoff-date:*) printf '%s\n' "$line" ;; esac
    line=''
  done
}
