# shellcheck shell=sh disable=SC2154
# Ksplice's sections of a check. The client keeps on disk what it has installed, and reads in sysfs whether it is in
# force: uptrack-show asks nobody (its source: "command != SHOW" before every access to the server).

ksplice_uname() {
  if has_tool uptrack-uname; then
    call uptrack-uname -r
  else
    call ksplice kernel uname -r
  fi
}

ksplice_kernel() {
  if has_tool uptrack-show; then
    call uptrack-show
  else
    call ksplice kernel show
  fi
}

ksplice_user() {
  call ksplice user show
}

# By builtins alone. The key to the service stands in the same file: only these lines are looked at.
ksplice_settings() {
  if [ -e "$root/etc/uptrack/disable" ]; then echo disabled=yes; fi
  if [ -e "$root/var/lib/patchwave/pins/ksplice" ]; then echo pinned=yes; fi
  if [ -d "$root/sys/module" ]; then echo modules=listed; fi
  for folder in "$root"/sys/module/ksplice_* "$root"/sys/kernel/ksplice/*; do
    name=${folder##*/}
    if [ -d "$folder" ] && is_plain "$name"; then echo "loaded=${name#ksplice_}"; fi
  done
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      autoinstall[[:blank:]=:]* | upgrade_on_reboot[[:blank:]=:]*) echo "setting=$line" ;;
    esac
    line=''
  done 2>/dev/null <"$root/etc/uptrack/uptrack.conf"
  return 0
}

# Asks the server, or the list of an offline client, and installs nothing.
ksplice_plan() {
  if has_tool uptrack-upgrade; then
    call uptrack-upgrade -n
  else
    call ksplice -n kernel upgrade
  fi
}
