#!/bin/sh
# Usage: insmod FILE. Loads a live-patch module, and enables it as its init function does.
# shellcheck source=/dev/null disable=SC2154 # variables of _kernel
. "${0%/*}/_kernel"

# fail WORDS: strerror(3), as kmod prints it.
fail() {
  echo "insmod: ERROR: could not insert module $file: $1" >&2
  exit 1
}

# What its .modinfo says.
value_of() {
  tr '\000' '\n' <"$file" | sed -n "s/^$1=//p" | head -n 1
}

read_module() {
  name=$(value_of name)
  vermagic=$(value_of vermagic)
  if [ -z "$name" ] || [ "$(value_of livepatch)" != Y ]; then fail 'Invalid module format'; fi
}

check_kernel() {
  first_line "$root/proc/sys/kernel/osrelease"
  if [ "${vermagic%% *}" != "$line" ]; then
    say "$name: version magic '$vermagic' should be '$line SMP preempt mod_unload modversions '"
    fail 'Invalid module format'
  fi
  if has_fault rejects; then
    fail "$line"
  fi
}

# The GNU note as it stands in the file: sizes, type 3, name, 20 bytes of build id (elf(5)).
copy_note() {
  hex=$(od -An -v -tx1 "$file" | tr -d ' \n')
  before=${hex%%040000001400000003000000474e5500*}
  tail -c "+$((${#before} / 2 + 1))" "$file" | head -c 36
}

# Loaded before it is enabled, and each appears whole.
load() {
  making=$lab/making
  rm -rf "$making"
  mkdir -p "$making/notes" "$lab/modules/$name"
  copy_note >"$making/notes/.note.gnu.build-id"
  echo 1 >"$making/refcnt"
  version=$(value_of version)
  [ -z "$version" ] || echo "$version" >"$making/version"
  rm -f "$lab/modules/$name/"*
  [ "$(value_of simulated_replace)" != Y ] || : >"$lab/modules/$name/replace"
  [ "$(value_of simulated_stalls)" != Y ] || : >"$lab/modules/$name/stalls"
  mv "$making" "$modules/$name"
  echo "$name 16384 1 - Live 0x0000000000000000 (OEK)" >>"$root/proc/modules"
  # 15 live patch, 13 unsigned, 12 out of tree (Documentation/admin-guide/tainted-kernels.rst)
  put "$root/proc/sys/kernel/tainted" 45056
}

enable_patch() {
  making=$lab/making
  mkdir -p "$making"
  echo 1 >"$making/enabled"
  echo 1 >"$making/transition"
  case $attributes in *patched*)
    mkdir "$making/vmlinux"
    echo 0 >"$making/vmlinux/patched"
    ;;
  esac
  case $attributes in *replace*)
    if [ -e "$lab/modules/$name/replace" ]; then echo 1; else echo 0; fi >"$making/replace"
    ;;
  esac
  say "livepatch: enabling patch '$name'"
  say "livepatch: '$name': starting patching transition"
  mv "$making" "$patches/$name"
  begin_transition "$name"
}

main() {
  file=$1
  is_root || fail 'Operation not permitted'
  [ -r "$file" ] || {
    echo "insmod: ERROR: could not load module $file: No such file or directory" >&2
    exit 1
  }
  ! has_fault lies || exit 0
  read_module
  check_kernel
  first_line "$lab/attributes"
  attributes=$line
  lock
  if [ -d "$modules/$name" ]; then
    unlock
    fail 'File exists'
  fi
  if find_moving; then
    unlock
    fail 'Device or resource busy'
  fi
  load
  enable_patch
  unlock
}

main "$@"
