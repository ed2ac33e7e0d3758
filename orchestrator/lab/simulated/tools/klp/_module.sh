# Live-patch modules for the stand-ins of other tools: made, inserted, taken out, through the host's own insmod, tee and
# rmmod, so that transitions, stalls and lies are the kernel's. Sourced after _tool.
# shellcheck shell=sh disable=SC1091,SC2034,SC2154 # its variables are for those who source it
. "${0%/*}/_kernel"

# write_module FILE NAME VERSION [replace|stalls]...: a module for the running kernel. Its build id is made of the name,
# the version and the kernel. It is no ELF file: the simulated insmod reads what real ones say in theirs.
write_module() {
  module_file=$1 name=$2 version=$3
  shift 3
  read -r release <"$root/proc/sys/kernel/osrelease"
  mkdir -p "${module_file%/*}"
  {
    printf 'license=GPL\000name=%s\000version=%s\000livepatch=Y\000' "$name" "$version"
    printf 'vermagic=%s SMP preempt mod_unload modversions \000' "$release"
    for word; do printf 'simulated_%s=Y\000' "$word"; done
    # The GNU note (elf(5)): sizes 4 and 20, type 3, the name, the build id.
    printf '\004\000\000\000\024\000\000\000\003\000\000\000GNU\000'
    printf '%s %s %s' "$name" "$version" "$release" | sha1sum | head -c 40 | print_bytes
  } >"$module_file"
}

# print_bytes: the bytes that the hexadecimal digits on stdin stand for.
print_bytes() {
  sed 's/../0x& /g' | tr ' ' '\n' | while read -r byte; do
    # shellcheck disable=SC2059 # an octal escape is the format
    printf "\\$(printf '%03o' "$byte")"
  done
}

# insert_module FILE: insmod's words and exit code. In force once its transition is over: see `settle`.
insert_module() {
  "$root/stand-ins/insmod" "$1"
}

# disable_patch NAME: its transition back begins; fails in the kernel's words.
disable_patch() {
  { printf '0\n' | "$root/stand-ins/tee" "$patches/$1/enabled" >/dev/null; } 2>&1
}

# remove_module NAME: rmmod's words and exit code.
remove_module() {
  "$root/stand-ins/rmmod" "$1"
}

# settle SECONDS: wait until no transition is under way; fails when one still is.
settle() {
  settling=$(($(date +%s) + $1))
  while find_moving; do
    [ "$(date +%s)" -lt "$settling" ] || return 1
    sleep 0.05
  done
}

# is_in_force NAME: sysfs says so.
is_in_force() {
  first_line "$patches/$1/enabled" && [ "$line" = 1 ] && first_line "$patches/$1/transition" && [ "$line" = 0 ]
}

# is_loaded NAME
is_loaded() {
  [ -d "$modules/$1" ]
}

# load_plain_module NAME: a module that is no live patch of the kernel's own (KernelCare's, Ksplice's).
load_plain_module() {
  lock
  if [ ! -d "$modules/$1" ]; then
    mkdir -p "$modules/$1/notes"
    echo 0 >"$modules/$1/refcnt"
    echo "$1 16384 0 - Live 0x0000000000000000 (OE)" >>"$root/proc/modules"
    first_line "$root/proc/sys/kernel/tainted"
    # 13 unsigned, 12 out of tree (Documentation/admin-guide/tainted-kernels.rst)
    put "$root/proc/sys/kernel/tainted" "$((line | 12288))"
  fi
  unlock
}
