# What every live-patch tool's stand-in needs: its state, its truth, its faults. Sourced after setting `tool`, the name
# of its folder:
#   tool=kernelcare
#   . "${0%/*}/_tool"
# shellcheck shell=sh disable=SC1091,SC2034,SC2154 # its variables are for those who source it
. "${0%/*}/_host"

# --- what it says ---------------------------------------------------------------------------------------------------

# speak FUNCTION ARGUMENT...: run it, and spoil what it prints as the faults garbles and truncates have it. The last
# line of a stand-in; its exit code is the function's.
speak() {
  if [ -e "$lab/faults/garbles" ] || [ -e "$lab/faults/truncates" ]; then
    whole=$lab/spoken.$$
    ("$@") >"$whole"
    code=$?
    spoil
    rm -f "$whole"
    return "$code"
  fi
  "$@"
}

# Both keep the first so many bytes. What follows is gone, or has other letters and two bytes that are no text.
spoil() {
  if has_fault truncates; then
    head -c "$line" "$whole"
  elif has_fault garbles; then
    head -c "$line" "$whole"
    printf '\377\001'
    tail -c "+$((line + 1))" "$whole" | tr '!-}' '"-~'
  fi
}

# take_time: what reaches the network or works for long takes the host's tool_seconds, or the fault tool_slow's.
take_time() {
  if has_fault tool_slow; then
    sleep "$line"
  else
    host_value tool_seconds && sleep "$value"
  fi
}

# find_licence: in $licence: valid, expired or none.
find_licence() {
  licence=valid
  ! has_fault licence || licence=$line
}

# cve_of NUMBER: what the vendor's patch of that number fixes: on every system and with every tool the same.
cve_of() {
  printf 'CVE-2099-%d\n' "$((1000 + $1))"
}

# --- what it keeps ----------------------------------------------------------------------------------------------------

# keep KEY VALUE: on disk, whole or not at all; it outlives reboots.
keep() {
  put_in "$lab/tools/$tool" "$1" "$2"
}

# kept KEY [DEFAULT]: prints it. Also in $line.
kept() {
  get_from "$lab/tools/$tool" "$1" "${2:-}"
}

forget() {
  rm -f "$lab/tools/$tool/$1" "$lab/memory/$tool/$1"
}

# remember KEY VALUE, remembered KEY [DEFAULT]: the same in memory: gone after a reboot.
remember() {
  put_in "$lab/memory/$tool" "$1" "$2"
}

remembered() {
  get_from "$lab/memory/$tool" "$1" "${2:-}"
}

put_in() {
  mkdir -p "$1"
  printf '%s\n' "$3" >"$1/.new.$$"
  mv "$1/.new.$$" "$1/$2"
}

get_from() {
  first_line "$1/$2"
  [ -n "$line" ] || line=$3
  printf '%s\n' "$line"
}

# one_at_a_time FUNCTION ARGUMENT...: no other stand-in of this tool that is called so runs meanwhile.
one_at_a_time() {
  mkdir -p "$lab/memory/$tool"
  holder=$lab/memory/$tool/holder
  # A link is made whole or not at all, and names its owner: one that was killed does not stop the others.
  until ln -s "$$" "$holder" 2>/dev/null; do
    kill -0 "$(readlink "$holder")" 2>/dev/null || rm -f "$holder"
    sleep 0.02
  done
  ("$@")
  code=$?
  rm -f "$holder"
  return "$code"
}

# --- what is so -------------------------------------------------------------------------------------------------------

# tell_truth LINE...: what of this tool is really in force from now on, in place of what was told before:
#   level=WORDS                the patch level, as the tool counts it
#   patch NAME VERSION         in force, and no live patch of the kernel's own (KernelCare, Ksplice, userspace)
#   module NAME                a live patch of the kernel's own, in force as long as sysfs shows it so
# Nothing is in force after a boot: the file goes then.
tell_truth() {
  mkdir -p "$lab/tools/$tool"
  printf '%s\n' "$@" >"$lab/tools/$tool/.truth"
  mv "$lab/tools/$tool/.truth" "$lab/tools/$tool/truth"
}

# patched: call it once a patch that is no module of the kernel's own is in force: the host may crash of it.
patched() {
  if has_fault reboots_after; then
    (sleep "$line" && "$root/stand-ins/reboot") </dev/null >/dev/null 2>&1 &
  fi
}

# agent_outruns: whether the tool's own agent has had its turn by now (fault agent_outruns).
agent_outruns() {
  has_fault agent_outruns && is_past "$line"
}
