# What the client of Canonical Livepatch, its agent and its start at boot share. Sourced after _tool.
#   tried, downloaded   the newest level that was inserted, or was tried, in this boot; the one on disk
#   cutoff_level        what was offered when the cut-off date was set
# shellcheck shell=sh disable=SC1091,SC2034,SC2154 # its variables are for those who source it
. "${0%/*}/_module"
snap=$root/var/snap/canonical-livepatch/common

# version_of LEVEL, module_of LEVEL: 102.1 and lkp_Ubuntu_5_15_0_118_128_generic_102 for the second patch.
version_of() {
  echo "$((100 + $1)).1"
}

module_of() {
  find_kernel
  echo "lkp_Ubuntu_$(echo "$kernel" | tr -c 'A-Za-z0-9\n' _)_$((100 + $1))"
}

# 5.15.0-118.128-generic, as /proc/version_signature has it.
find_kernel() {
  first_line "$root/proc/version_signature"
  # shellcheck disable=SC2086 # its words
  set -- $line
  kernel=${2:-}
}

# The newest that may be had: a cut-off date stops time.
find_target() {
  target=0
  host_value level_offered && target=$value
  [ -z "$(setting cutoff-date)" ] || target=$(kept cutoff_level "$target")
}

# setting KEY: of the client's file.
setting() {
  sed -n "s/^$1: *//p" "$snap/config" 2>/dev/null | tr -d '"'
}

# The host crashed after an insertion: the client left a lock file, and inserts nothing more.
is_locked() {
  [ -e "$snap/lock" ]
}

# insert LEVEL: fails where the kernel refuses it, or its transition does not end.
insert() {
  payload=$snap/payload/$(module_of "$1").ko
  keep downloaded "$1"
  keep at_boot yes
  remember tried "$1"
  write_module "$payload" "$(module_of "$1")" "$(version_of "$1")" replace
  insert_module "$payload" >/dev/null 2>&1 || return
  settle 5 && is_applied "$1"
}

# is_applied LEVEL: the truth is told as soon as it is so, however long the transition took.
is_applied() {
  is_in_force "$(module_of "$1")" || return
  tell_truth "level=$(version_of "$1")" "module $(module_of "$1")"
}
