# What kpatch and the boot of a host that has it share. Sourced after _tool.
# shellcheck shell=sh disable=SC1091,SC2034,SC2154 # its variables are for those who source it
. "${0%/*}/_module"
installed=$root/var/lib/kpatch
# In place of kpatch's 15 s and 60 s, and as often.
first_wait=2 second_wait=3

running() {
  first_line "$root/proc/sys/kernel/osrelease"
  echo "$line"
}

# bring_offered: somebody installed what the host is offered, and did not load it: of so many modules the newest. Where
# another tool has a vendor, that one offers.
bring_offered() {
  host_value tools
  case " $value " in *' dnf '* | *' canonical '* | *' kernelcare '* | *' ksplice '* | *' suse '*) return ;; esac
  host_value level_offered
  offered=${value:-0}
  [ "$offered" != 0 ] && [ "$(kept brought 0)" != "$offered" ] || return 0
  brought=$lab/brought.$$
  (write_module "$brought" "lab_offered_$offered" "$offered")
  mkdir -p "$installed/$(running)"
  mv "$brought" "$installed/$(running)/lab-offered-$offered.ko"
  keep brought "$offered"
}

# module_in FILE: what its .modinfo says that it is called.
module_in() {
  tr '\000' '\n' <"$1" | sed -n 's/^name=//p' | head -n 1
}

is_moving() {
  first_line "$patches/$1/transition" && [ "$line" = 1 ]
}

# wait_for MODULE
wait_for() {
  is_moving "$1" || return 0
  echo 'waiting (up to 15 seconds) for patch transition to complete...'
  if settle "$first_wait"; then
    echo 'transition complete (1 seconds)'
    return 0
  fi
  say_stalled
  echo 'waiting (up to 60 seconds) for patch transition to complete...'
  settle "$second_wait" || return 1
  echo 'transition complete (11 seconds)'
}

# load_module FILE: on success the module is in force, or was so; else it is out again.
load_module() {
  module=$(module_in "$1")
  if [ -d "$patches/$module" ] && is_enabled "$module"; then
    echo "module named $module already loaded and enabled"
  else
    remove_module "$module" >/dev/null 2>&1
    echo "loading patch module: ${1#"$root"}"
    insert_module "$1" || die "failed to load module ${1#"$root"}"
  fi
  if ! wait_for "$module"; then
    show_stalled
    echo "module $module did not complete its transition, unloading..."
    unload_module "$module"
    die "error: failed to load module $module (transition stalled)"
  fi
  tell_modules
}

is_enabled() {
  first_line "$patches/$1/enabled" && [ "$line" = 1 ]
}

unload_module() {
  if [ ! -d "$patches/$1" ]; then
    if ! is_loaded "$1"; then
      warn "patch module $1 is not loaded"
      die "failed to disable module $1"
    fi
  elif is_enabled "$1"; then
    echo "disabling patch module: $1"
    disable_patch "$1" || die "failed to disable module $1"
    wait_for "$1" || die "transition stalled for $1"
  fi
  echo "unloading patch module: $1"
  remove_module "$1" 2>/dev/null
  tell_modules
}

tell_modules() {
  set --
  for live in "$patches"/*/; do
    [ ! -d "$live" ] || set -- "$@" "module $(basename "$live")"
  done
  tell_truth "$@"
}

show_stalled() {
  printf '\nStalled processes:\n'
  first_line "$root/proc/$blocker/task/$blocker/comm"
  echo "$blocker $line"
  [ "$version" != 0.9.11 ] || { echo 'stack:' && cat "$root/proc/$blocker/task/$blocker/stack"; }
}

say_stalled() {
  if [ "$version" = 0.9.11 ]; then
    echo 'patch transition has stalled!'
    warn 'Livepatch process signaling is performed automatically on your system.'
    warn 'Skipping manual process signaling.'
  else
    echo 'patch transition has stalled, signaling stalled process(es):'
  fi
}

warn() {
  echo "kpatch: $*" >&2
}

die() {
  warn "$@"
  exit 1
}
