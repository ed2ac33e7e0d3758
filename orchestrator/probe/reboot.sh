# shellcheck shell=sh disable=SC2154
# The distribution's own flag. Its existence counts, not its text: Debian's hook makes it with `touch`.

read_reboot() {
  for file in run var/run; do
    if [ -e "$root/$file/reboot-required" ]; then
      put required yes
      put_lines package "$root/$file/reboot-required.pkgs" 200
      return 0
    fi
  done
  if [ -d "$root/run" ] || [ -d "$root/var/run" ]; then put required no; else lack required unreadable; fi
}
