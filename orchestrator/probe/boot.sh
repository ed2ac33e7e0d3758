# shellcheck shell=sh disable=SC2154
# Which machine, which boot, and what time it thinks it is.

read_boot() {
  put_file boot_id "$root/proc/sys/kernel/random/boot_id"
  if [ -e "$root/etc/machine-id" ]; then
    put_file machine_id "$root/etc/machine-id"
  else
    put_file machine_id "$root/var/lib/dbus/machine-id"
  fi
  put_file uptime "$root/proc/uptime"
  put_file taints "$root/proc/sys/kernel/tainted"
  put clock "$(call_last date +%s.%N)"
}
