#!/bin/sh
# Asks the machine that the host is simulated on to reboot it.
root=${0%/stand-ins/*}
if [ "${SIMULATED_UID:-0}" != 0 ]; then
  echo "Failed to set wall message, ignoring: Interactive authentication required." >&2
  exit 1
fi
read -r name <"$root/etc/hostname"
printf 'reboot %s\n' "$name" >"$root/lab/control"
