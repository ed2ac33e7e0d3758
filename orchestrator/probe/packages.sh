# shellcheck shell=sh disable=SC2034,SC2154,SC2016
# The installed packages: a fingerprint of the package database, and the list only when the fingerprint is another
# one than the controller has.

find_package_database() {
  manager=none database=''
  if [ -s "$root/var/lib/dpkg/status" ]; then
    manager=dpkg database=$root/var/lib/dpkg/status
    return 0
  fi
  for file in lib/apk/db/installed usr/lib/apk/db/installed; do
    if [ -s "$root/$file" ]; then
      manager=apk database=$root/$file
      return 0
    fi
  done
  for file in usr/lib/sysimage/rpm var/lib/rpm; do
    if [ -d "$root/$file" ]; then
      manager=rpm database=$root/$file
      return 0
    fi
  done
}

# Sets listed: yes, when the whole list is in the answer.
read_packages() {
  listed=no
  find_package_database
  put manager "$manager"
  if [ "$manager" = none ]; then return 0; fi
  choose_format
  "fingerprint_$format"
  if [ -z "$fingerprint" ]; then
    lack fingerprint unreadable
    return 0
  fi
  put fingerprint "$fingerprint"
  if [ "$fingerprint" = "$known" ]; then
    put list known
    return 0
  fi
  value=$("list_$format")
  set -- "$?"
  put status "$1"
  if [ "${#value}" -gt 1900000 ]; then
    lack list too_large
  else
    body="${body}list=$format$newline$value$newline"
    if [ "$1" -eq 0 ]; then listed=yes; fi
  fi
}

# dpkg's status file is all there is to know, and read four times as fast as by dpkg-query, unless dpkg is at work or
# was interrupted: then the latest changes are beside it, in files named by numbers (dpkg's lib/dpkg/dbmodify.c).
choose_format() {
  format=$manager
  if [ "$manager" != dpkg ]; then return 0; fi
  if [ -d "${database%/*}/updates" ] && [ ! -r "${database%/*}/updates" ]; then return 0; fi
  for file in "${database%/*}"/updates/[0-9]*; do
    if [ -e "$file" ]; then return 0; fi
  done
  format=status
}

# What dpkg and its status file are there with has b2sum, too, but for very old ones: it takes half of sha256sum's time.
fingerprint_status() {
  fingerprint=$(b2sum -l 256 "$database") || fingerprint=$(sha256sum "$database")
  fingerprint=${fingerprint%% *}
}

fingerprint_dpkg() {
  fingerprint=$(cat "$database" "${database%/*}"/updates/[0-9]* | sha256sum)
  fingerprint=${fingerprint%% *}
}

fingerprint_apk() {
  fingerprint=$(sha256sum "$database")
  fingerprint=${fingerprint%% *}
}

# Size and times: the database of a large host is hundreds of megabytes, too many to hash at every check.
fingerprint_rpm() {
  set --
  for file in rpmdb.sqlite rpmdb.sqlite-wal Packages Packages.db; do
    # A reader leaves an empty write-ahead log behind, which is no change.
    if [ -s "$database/$file" ]; then set -- "$@" "$database/$file"; fi
  done
  fingerprint=''
  if [ "$#" -eq 0 ]; then return 0; fi
  fingerprint=$(stat -L -c '%s.%Y.%i' "$@")
  # shellcheck disable=SC2086 # one word a file, joined below
  set -- $fingerprint
  IFS=_
  fingerprint="stat-$*"
  unset IFS
}

list_status() {
  exec grep -E '^(Package|Status|Architecture|Source|Version):|^$' "$database"
}

list_dpkg() {
  call_last dpkg-query --admindir="${database%/*}" -W \
    -f='${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\t${db:Status-Status}\n'
}

list_rpm() {
  call_last rpm -qa --qf '%{NAME}\t%{EPOCH}:%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\n'
}

list_apk() {
  exec sed -n '/^[PVAo]:/p;/^$/p' "$database"
}
