# shellcheck shell=sh disable=SC2154
# SUSE's sections of a check.

# klp reads sysfs and the rpm database. `klp status` says ready when nothing is loaded at all, and is not asked.
suse_klp() {
  call klp -v patches
}

# The live-patch package of the running kernel: kernel-livepatch-5_14_21-150400_24_46-default.
suse_package() {
  suse_name_package
  call rpm -q --qf '%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}\n' "$package"
}

suse_name_package() {
  IFS= read -r running <"$root/proc/sys/kernel/osrelease"
  package=kernel-livepatch-
  while [ "${running#*.}" != "$running" ]; do
    package=$package${running%%.*}_
    running=${running#*.}
  done
  package=$package$running
}

# Refreshes what the repositories say; waits a while for another package manager.
suse_needed() {
  ZYPP_LOCK_TIMEOUT=30
  export ZYPP_LOCK_TIMEOUT
  call zypper --non-interactive list-patches --cve
}

suse_offered() {
  suse_name_package
  ZYPP_LOCK_TIMEOUT=30
  export ZYPP_LOCK_TIMEOUT
  call zypper --non-interactive --no-refresh search --details --match-exact --type package "$package"
}

# The registration code is nobody's business.
suse_registration() {
  call SUSEConnect --status | sed 's/"regcode": *"[^"]*"/"regcode":""/g'
}

suse_lifecycle() {
  suse_name_package
  for file in "$root"/usr/share/lifecycle/data/*live-patching.lifecycle \
    "$root"/var/lib/lifecycle/data/*live-patching.lifecycle; do
    while IFS= read -r line || [ -n "$line" ]; do
      case $line in "$package"[,\ ]*) printf '%s\n' "$line" ;; esac
      line=''
    done 2>/dev/null <"$file"
  done
  return 0
}
