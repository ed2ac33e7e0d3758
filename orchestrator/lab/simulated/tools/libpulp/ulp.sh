#!/bin/sh
# ulp of libpulp: patches. One half of the hosts has a version that tells the status of each process.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=libpulp
. "${0%/*}/_tool"

main() {
  if [ "$*" != patches ]; then
    echo 'Usage: ulp [OPTION...] dump|packer|trigger|patches|check ARG1 ARG2 ...' >&2
    return 64
  fi
  host_value number
  print_process 1 systemd
  print_process 1391 sshd
}

print_process() {
  printf 'PID: %s, name: %s\n' "$1" "$2"
  [ "$((${value:-0} % 2))" -eq 0 ] || echo '  Livepatching status: enabled'
  printf '  Livepatchable libraries:\n    in /lib64/libc-2.31.so:\n    in /usr/lib64/libcrypto.so.1.1.1l:\n'
  printf '      livepatch: libcrypto_livepatch2.so loaded on Wed Jan  2 03:04:05 2030\n'
  printf '        bug labels: bsc#1207533 cve-2099-3001 cve-2099-3002 \n\n'
}

speak main "$@"
