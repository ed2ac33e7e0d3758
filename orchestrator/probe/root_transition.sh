# shellcheck shell=sh disable=SC2154
# Where a transition is under way: the tasks that hold it up (/proc/PID/patch_state, `stack`) and what the kernel
# said about it. Values of patch_state: -1 no transition, 0 old code, 1 new code.

read_root_transition() {
  moving='' waiting=''
  for folder in "$root"/sys/kernel/livepatch/*/; do
    if [ -d "$folder" ] && first_word "${folder}transition" && [ "$word" = 1 ]; then
      moving=${folder%/} moving=${moving##*/}
      first_word "${folder}enabled" && waiting=$((1 - word))
    fi
  done
  if [ -z "$moving" ]; then
    put moving no
    return 0
  fi
  put moving yes
  is_plain "$moving" && put patch "$moving"
  read_blocking_tasks
  read_kernel_log
}

# first_word FILE: in $word; only a small number will do.
first_word() {
  word=''
  { read -r word value; } 2>/dev/null <"$1"
  case $word in
    0 | 1 | -1) return 0 ;;
  esac
  return 1
}

read_blocking_tasks() {
  count=0 seen=0
  for process in "$root"/proc/[0-9]*; do
    if [ -d "$process/task" ]; then
      for task in "$process"/task/[0-9]*; do read_task "$task"; done
    else
      read_task "$process"
    fi
  done
  if [ "$seen" -eq 0 ]; then lack tasks unreadable; else put tasks "$count"; fi
}

read_task() {
  first_word "$1/patch_state" || return 0
  seen=1
  [ "$word" = "$waiting" ] || return 0
  count=$((count + 1))
  [ "$count" -le 20 ] || return 0
  put pid "${1##*/}"
  put_file comm "$1/comm"
  put_lines stack "$1/stack" 12
}

read_kernel_log() {
  if ! can_call dmesg; then
    lack log absent
    return 0
  fi
  IFS=$newline
  set -f
  # shellcheck disable=SC2046 # one word a line, and nothing expanded in it
  set -- $(call dmesg | grep -i livepatch | tail -n 40)
  set +f
  unset IFS
  for value; do put log "$value"; done
}
