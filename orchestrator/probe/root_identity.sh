# shellcheck shell=sh disable=SC2154
# What names the machine and only root may read.

read_root_identity() {
  put_file product_uuid "$root/sys/class/dmi/id/product_uuid"
  if [ ! -e "$root/run/systemd/container" ] && ! can_call systemd-detect-virt && [ -r "$root/proc/1/environ" ]; then
    value=$(tr '\000' '\n' <"$root/proc/1/environ" | sed -n 's/^container=//p')
    put container "${value%%"$newline"*}"
  fi
}
