#!/bin/sh
# Usage: uname [-r|-m|-n|-s|-v|-a]
root=${0%/stand-ins/*}
read -r release <"$root/proc/sys/kernel/osrelease"
read -r version <"$root/proc/sys/kernel/version"
read -r name <"$root/etc/hostname"
case ${1:--s} in
  -r) echo "$release" ;;
  -m) echo x86_64 ;;
  -n) echo "$name" ;;
  -v) echo "$version" ;;
  -a) echo "Linux $name $release $version x86_64 GNU/Linux" ;;
  *) echo Linux ;;
esac
