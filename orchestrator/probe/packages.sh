# shellcheck shell=sh disable=SC2154,SC2016
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

read_packages() {
  find_package_database
  put manager "$manager"
  if [ "$manager" = none ]; then return 0; fi
  "fingerprint_$manager"
  if [ -z "$fingerprint" ]; then
    lack fingerprint unreadable
    return 0
  fi
  put fingerprint "$fingerprint"
  if [ "$fingerprint" = "$known" ]; then
    put list known
    return 0
  fi
  value=$("list_$manager")
  put status "$?"
  if [ "${#value}" -gt 1900000 ]; then
    lack list too_large
  else
    body="${body}list=sent$newline$value$newline"
  fi
}

fingerprint_dpkg() {
  fingerprint=$(sha256sum "$database")
  fingerprint=${fingerprint%% *}
}

fingerprint_apk() {
  fingerprint_dpkg
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

list_dpkg() {
  call dpkg-query --admindir="$root/var/lib/dpkg" -W \
    -f='${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\t${db:Status-Status}\n'
}

list_rpm() {
  call rpm -qa --qf '%{NAME}\t%{EPOCH}:%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\n'
}

list_apk() {
  sed -n '/^[PVAo]:/p;/^$/p' "$database"
}
