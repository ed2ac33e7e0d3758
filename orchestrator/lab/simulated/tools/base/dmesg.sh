#!/bin/sh
# The kernel's log since the last boot; for root alone (kernel.dmesg_restrict=1, as Debian sets it).
root=${0%/stand-ins/*}
if [ "${SIMULATED_UID:-0}" != 0 ]; then
  echo "dmesg: read kernel buffer failed: Operation not permitted" >&2
  exit 1
fi
cat "$root/lab/dmesg"
