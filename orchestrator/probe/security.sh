# shellcheck shell=sh disable=SC2154
# What decides whether the kernel takes a module: lockdown, Secure Boot, enforced signatures.

read_security() {
  put_file lockdown "$root/sys/kernel/security/lockdown"
  # A kernel built without module signatures has no such parameter.
  if [ -d "$root/sys/module" ] && [ ! -e "$root/sys/module/module/parameters/sig_enforce" ]; then
    put sig_enforce N
  else
    put_file sig_enforce "$root/sys/module/module/parameters/sig_enforce"
  fi
  if [ -d "$root/sys/firmware/efi" ]; then
    put efi yes
    put_hex secure_boot "$root/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
  elif [ -d "$root/sys" ] && [ -d "$root/proc/sys" ]; then
    put efi no
  else
    lack efi unreadable
  fi
}
