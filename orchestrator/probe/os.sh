# shellcheck shell=sh disable=SC2154
# os-release(5): /etc first, then the vendor's.

read_os() {
  if [ -e "$root/etc/os-release" ]; then
    put_lines line "$root/etc/os-release" 200
  else
    put_lines line "$root/usr/lib/os-release" 200
  fi
}
