# The part of the kernel that live patching is about, in files. Sourced by the stand-ins that change it.
# Semantics: Documentation/livepatch/livepatch.rst, kernel/livepatch/core.c and transition.c.
# shellcheck shell=sh disable=SC1091,SC2034,SC2154 # its variables are for those who source it
. "${0%/*}/_host"
patches=$root/sys/kernel/livepatch
modules=$root/sys/module
blocker=57

# One change at a time, as under klp_mutex.
lock() {
  until mkdir "$lab/lock" 2>/dev/null; do sleep 0.02; done
}

unlock() {
  rmdir "$lab/lock"
}

# put FILE VALUE, under the lock: nobody ever reads half of it.
put() {
  echo "$2" >"$lab/new"
  mv "$lab/new" "$1"
}

# say WORDS: into the kernel's log, and into the journal that outlives reboots.
say() {
  { read -r up idle <"$root/proc/uptime"; } 2>/dev/null
  printf '[%12s] %s\n' "$up" "$1" >>"$lab/dmesg"
  printf '%s\n' "$1" >>"$lab/journal"
}

# The patch in transition, in $moving: there is at most one. Fails when there is none.
find_moving() {
  for moving in "$patches"/*/transition; do
    first_line "$moving"
    moving=${moving%/transition}
    moving=${moving##*/}
    [ "$line" = 1 ] && return 0
  done
  return 1
}

# move_tasks STATE [STATE OF THE BLOCKER]: -1 no transition, 0 old code, 1 new code.
move_tasks() {
  put "$root/proc/1/task/1/patch_state" "$1"
  put "$root/proc/$blocker/task/$blocker/patch_state" "${2:-$1}"
}

seconds_of_transition() {
  has_fault transition || first_line "$lab/transition"
  echo "$line"
}

# begin_transition NAME: its `enabled` has been set; under the lock. One that stalls gets its tasks signalled.
begin_transition() {
  name=$1
  live=$patches/$name
  first_line "$live/enabled"
  target=$line
  put "$live/transition" 1
  if stalls; then
    move_tasks "$target" "$((1 - target))"
    (sleep 15 && signal_stragglers) </dev/null >/dev/null 2>&1 &
  else
    move_tasks "$((1 - target))"
    (sleep "$(seconds_of_transition)" && end_transition) </dev/null >/dev/null 2>&1 &
  fi
}

stalls() {
  if [ "$target" = 1 ]; then
    has_fault stalls || [ -e "$lab/modules/$name/stalls" ]
  else
    has_fault stalls_reverting
  fi
}

signal_stragglers() {
  if find_moving && [ "$moving" = "$name" ]; then say 'livepatch: signaling remaining tasks'; fi
}

# end_transition: unless it has been reversed meanwhile.
end_transition() {
  lock
  if find_moving && [ "$moving" = "$name" ] && first_line "$live/enabled" && [ "$line" = "$target" ]; then
    move_tasks -1
    if [ "$target" = 1 ]; then
      arrive
    else
      say "livepatch: '$name': unpatching complete"
      leave "$name"
    fi
  fi
  unlock
  if [ "$target" = 1 ] && has_fault reboots_after; then
    sleep "$line"
    "$root/stand-ins/reboot"
  fi
}

# arrive: the patches that it replaces are out of force before its transition counts as over.
arrive() {
  [ ! -d "$live/vmlinux" ] || put "$live/vmlinux/patched" 1
  if [ -e "$lab/modules/$name/replace" ]; then
    for other in "$patches"/*/; do
      other=${other%/}
      [ "${other##*/}" = "$name" ] || leave "${other##*/}"
    done
  fi
  put "$live/transition" 0
  say "livepatch: '$name': patching complete"
}

# leave NAME: the patch vanishes from sysfs, whole; its module stays loaded (since 5.1).
leave() {
  rm -rf "$lab/gone"
  mv "$patches/$1" "$lab/gone"
  rm -rf "$lab/gone"
  put "$modules/$1/refcnt" 0
}
