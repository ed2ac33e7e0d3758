# shellcheck shell=sh disable=SC2034,SC2154
# What every script of ours does first on a host, and how it calls programs. root: the prefix of all paths.

# A login may come with a library in front of the system's: KernelCare's scanner interface makes uname, rpm and dpkg tell
# of another kernel than the running one. No program that we start gets it; preload says that it was there.
set_up() {
  preload=${LD_PRELOAD:-}
  unset LD_PRELOAD
  LC_ALL=C LANGUAGE=C
  PATH="${root:+$root/stand-ins:}/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"
  export LC_ALL LANGUAGE PATH
  unset IFS
  umask 077
  newline='
'
}

# can_call PROGRAM: it is there; below a root prefix only a stand-in may speak for the host.
can_call() {
  if [ -n "$root" ]; then
    [ -x "$root/stand-ins/$1" ]
  else
    command -v "$1" >/dev/null 2>&1
  fi
}

# has_tool NAME...: one of them is an executable file there, by builtins alone. Below a root prefix only a stand-in is.
has_tool() {
  for tool; do
    if [ -n "$root" ]; then
      if is_executable "$root/stand-ins/$tool"; then return 0; fi
    elif is_executable "/usr/sbin/$tool" || is_executable "/usr/bin/$tool" \
      || is_executable "/sbin/$tool" || is_executable "/bin/$tool" || is_executable "/snap/bin/$tool"; then
      return 0
    fi
  done
  return 1
}

is_executable() {
  [ -f "$1" ] && [ -x "$1" ]
}

# call PROGRAM ARGUMENT...: a stand-in goes first even where the shell has the program built in (busybox).
call() {
  program=$1
  shift
  if [ -n "$root" ] && [ -x "$root/stand-ins/$program" ]; then program=$root/stand-ins/$program; fi
  "$program" "$@"
}

# call_last PROGRAM ARGUMENT...: the same in place of the shell: for $(...), which is a process already.
call_last() {
  program=$1
  shift
  if [ -n "$root" ] && [ -x "$root/stand-ins/$program" ]; then program=$root/stand-ins/$program; fi
  exec "$program" "$@"
}
