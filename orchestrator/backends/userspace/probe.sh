# shellcheck shell=sh disable=SC2154
# Processes that still run code of files which are gone from the disk: what was upgraded since they were started.

# One line for each program and set of files, with its number of processes in front, the most frequent first: COUNT
# NAME<tab>FILE<tab>FILE... An executable mapping of a file that was deleted ends in " (deleted)" in /proc/PID/maps
# (proc_pid_maps(5)). The limit of time is for kernels that keep readers of a busy process's map waiting.
userspace_outdated() {
  set -- "$root"/proc/[0-9]*/maps
  if [ ! -e "$1" ]; then
    echo 'no process in /proc' >&2
    return 1
  fi
  set -- '^[^ ]* ..x. .* (deleted)$' "$@"
  userspace_maps "$@" | userspace_files | sort -u | head -n 20000 | userspace_names | sort | uniq -c | sort -rn \
    | head -n 300 | cut -c 1-1500
  echo 'end'
}

userspace_maps() {
  if command -v timeout >/dev/null 2>&1; then set -- timeout 20 grep -H "$@"; else set -- grep -H "$@"; fi
  "$@" /dev/null 2>/dev/null
  [ "$?" -ne 124 ] || echo 'not all processes were looked at within 20 s' >&2
}

# PID<tab>FILE. Left out: what was never a file that a package brings, as needrestart and checkrestart do it.
userspace_files() {
  sed -n -e 's|^.*/proc/\([0-9]*\)/maps:[^ ]* [^ ]* [^ ]* [^ ]* *[1-9][0-9]* *\(/.*\) (deleted)$|\1	\2|' -e 't kept' -e d \
    -e ':kept' -e '\|	/memfd:|d' -e '\|	/dev/|d' -e '\|	/SYSV|d' -e '\|	/drm|d' -e '\|	/i915|d' -e '\|	/\[|d' \
    -e '\|	/tmp/|d' -e '\|	/var/tmp/|d' -e '\|	/run/|d' -e '\|	/var/run/|d' -e '\|	/var/cache/|d' -e p
}

# NAME<tab>FILE<tab>FILE..., a line for each process.
userspace_names() {
  pid='' files=''
  while IFS='	' read -r next file; do
    if [ "$next" != "$pid" ]; then
      userspace_print
      pid=$next files=''
    fi
    files="$files	$file"
  done
  userspace_print
}

userspace_print() {
  if [ -n "$files" ]; then
    name=''
    { IFS= read -r name; } 2>/dev/null <"$root/proc/$pid/comm"
    printf '%s%s\n' "${name:-unknown}" "$files"
  fi
}
