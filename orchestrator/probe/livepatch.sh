# shellcheck shell=sh disable=SC2154
# Live patches as the kernel shows them (Documentation/ABI/testing/sysfs-kernel-livepatch). Vendors backport: every
# attribute but `enabled` is optional, and the file is asked for, never the kernel's version.

read_livepatch() {
  if [ ! -d "$root/sys/kernel" ]; then
    lack supported unreadable
  elif [ -d "$root/sys/kernel/livepatch" ]; then
    put supported yes
  else
    put supported no
  fi
  for folder in "$root"/sys/kernel/livepatch/*/; do
    if [ -d "$folder" ]; then read_patch "${folder%/}"; fi
  done
  read_loaded_modules
}

read_patch() {
  name=${1##*/}
  if ! is_plain "$name"; then
    lack patches odd_name
    return 0
  fi
  put patch "$name"
  put_file enabled "$1/enabled"
  put_file transition "$1/transition"
  put_file replace "$1/replace"
  put_file stack_order "$1/stack_order"
  put_module "$name"
  for object in "$1"/*/; do
    if [ -e "${object}patched" ]; then put_object "${object%/}"; fi
  done
}

# Only objects that are there to be patched: one whose module is not loaded is patched when it loads.
put_object() {
  name=${1##*/}
  if [ "$name" = vmlinux ] || [ -d "$root/sys/module/$name" ]; then
    put_file patched "$1/patched"
  fi
}

put_module() {
  put_file version "$root/sys/module/$1/version"
  put_hex notes "$root/sys/module/$1/notes/.note.gnu.build-id"
}

# A disabled patch leaves sysfs while its module stays (since 5.1): modules with the taint K in /proc/modules. The
# kernel keeps that taint for itself as well (bit 15), so that one without it needs no search.
read_loaded_modules() {
  value=''
  { read -r value; } 2>/dev/null <"$root/proc/sys/kernel/tainted"
  case $value in
    '' | 0?* | *[!0-9]* | ???????????????????*) ;;
    *) if [ "$((value & 32768))" -eq 0 ]; then return 0; fi ;;
  esac
  if [ ! -e "$root/proc/modules" ]; then
    lack modules absent
    return 0
  fi
  lines=$(grep '([A-Z]*K[A-Z]*[-+]*)' "$root/proc/modules")
  # grep exits 1 for "no such line", more for "cannot read".
  if [ "$?" -gt 1 ]; then lack modules unreadable; fi
  IFS=$newline
  set -f
  # shellcheck disable=SC2086 # one word a line, and nothing expanded in it
  set -- $lines
  set +f
  unset IFS
  for line; do
    name=${line%% *}
    if is_plain "$name" && [ ! -d "$root/sys/kernel/livepatch/$name" ]; then
      put loaded "$name"
      put_module "$name"
    fi
  done
}
