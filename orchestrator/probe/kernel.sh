# shellcheck shell=sh disable=SC2154
# The running kernel, from /proc and /sys: `uname -r` may be faked (KernelCare's scanner interface does it on purpose).

read_kernel() {
  put_file release "$root/proc/sys/kernel/osrelease"
  put_file version "$root/proc/sys/kernel/version"
  put_file signature "$root/proc/version_signature"
  if [ -e "$root/proc/sys/kernel/arch" ]; then
    put_file arch "$root/proc/sys/kernel/arch"
  else
    put arch "$(call_last uname -m)"
  fi
  put_hex notes "$root/sys/kernel/notes"
}
