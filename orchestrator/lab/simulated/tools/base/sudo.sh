#!/bin/sh
# sudo -n -- COMMAND, or sudo -S -p PROMPT -- COMMAND, as sudo 1.9 does it: three tries, a reset environment.
# lab/sudo: "nopasswd", or the password that it wants; none: the account may not use it.
root=${0%/stand-ins/*}

may_not() {
  echo "$SIMULATED_USER is not in the sudoers file." >&2
  exit 1
}

become_root() {
  exec env -i SIMULATED_UID=0 SIMULATED_USER=root SIMULATED_ROOT="$root" HOME=/root LOGNAME=root USER=root \
    PATH="$root/stand-ins:/usr/sbin:/usr/bin:/sbin:/bin" "$@"
}

ask() {
  tries=0
  while [ "$tries" -lt 3 ]; do
    printf '%s' "$prompt" >&2
    if ! IFS= read -r given; then
      echo "sudo: no password was provided" >&2
      [ "$tries" -eq 0 ] || echo "sudo: $tries incorrect password attempts" >&2
      exit 1
    fi
    [ "$given" != "$wanted" ] || return 0
    tries=$((tries + 1))
    [ "$tries" -eq 3 ] || echo "Sorry, try again." >&2
  done
  echo "sudo: 3 incorrect password attempts" >&2
  exit 1
}

main() {
  wanted='' prompt='[sudo] password: ' mode=ask
  if [ "$SIMULATED_UID" != 0 ]; then
    [ -f "$root/lab/sudo" ] || may_not
    read -r wanted <"$root/lab/sudo"
  else
    wanted=nopasswd
  fi
  while [ "$#" -gt 0 ]; do
    case $1 in
      -n) mode=never ;;
      -S) ;;
      -p)
        prompt=$2
        shift
        ;;
      --)
        shift
        break
        ;;
      *) break ;;
    esac
    shift
  done
  if [ "$wanted" != nopasswd ]; then
    if [ "$mode" = never ]; then
      echo "sudo: a password is required" >&2
      exit 1
    fi
    ask
  fi
  become_root "$@"
}

main "$@"
