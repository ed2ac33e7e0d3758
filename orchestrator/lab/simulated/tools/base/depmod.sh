#!/bin/sh
# Usage: depmod RELEASE
root=${0%/stand-ins/*}
if [ ! -d "$root/lib/modules/$1" ]; then
  echo "depmod: ERROR: could not open directory /lib/modules/$1: No such file or directory" >&2
  exit 1
fi
(cd "$root/lib/modules/$1" && find . -name '*.ko' >modules.dep)
