# shellcheck shell=sh disable=SC2034
# The host's half of sudo.py: the one inner call of sh that runs a script as root. Needs host.sh and its set_up.

# run_as_root MODE NONCE SCRIPT NAME ARGUMENT...: MODE is password, nopassword or never; the rest is what `sh -c` gets.
# Sets uid, how (login, sudo; none: MODE forbids it; missing: there is no sudo) and, where it was called, status.
# The prompt is put together here, so that a shell that merely echoes its command line never shows it. stdin is the
# channel's: sudo may have to read the password from it.
run_as_root() {
  mode=$1 prompt="[patchwave $2] password: " how=none status=''
  shift 2
  read_uid
  if [ "$uid" = 0 ]; then
    how=login
    sh -c "$@"
  elif [ "$mode" = never ]; then
    return 0
  elif ! can_call sudo; then
    how=missing
    return 0
  elif [ "$mode" = password ]; then
    how=sudo
    call sudo -S -p "$prompt" -- sh -c "$@"
  else
    how=sudo
    call sudo -n -- sh -c "$@"
  fi
  status=$?
}

# The effective uid, without a process: this shell itself opens the file (proc_pid_status(5)).
read_uid() {
  if [ -z "$root" ]; then
    while read -r value real uid rest; do
      if [ "$value" = Uid: ]; then return 0; fi
    done 2>/dev/null </proc/self/status
  fi
  uid=$(call_last id -u </dev/null)
}
