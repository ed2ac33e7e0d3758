# What every stand-in may want to know of its host. Sourced: . "${0%/*}/_host"
# shellcheck shell=sh disable=SC2034 # its variables are for those who source it
root=${0%/stand-ins/*}
lab=$root/lab

is_root() {
  [ "${SIMULATED_UID:-0}" = 0 ]
}

# first_line FILE: in $line; empty when there is none.
first_line() {
  line=''
  { read -r line <"$1"; } 2>/dev/null
}

# has_fault NAME: the host has that fault; its value, where it has one, is in $line.
has_fault() {
  line=''
  { read -r line; } 2>/dev/null <"$lab/faults/$1" || [ -e "$lab/faults/$1" ]
}

# host_value KEY: what lab/host says, in $value; fails where it does not say.
host_value() {
  while IFS= read -r value; do
    case $value in
      "$1="*)
        value=${value#*=}
        return 0
        ;;
    esac
  done <"$lab/host"
  value=''
  return 1
}

# is_past MOMENT: seconds since 1970.
is_past() {
  [ "$(date +%s)" -ge "$1" ]
}
