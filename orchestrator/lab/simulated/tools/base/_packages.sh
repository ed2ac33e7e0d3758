# The package database of a host, dpkg's or rpm's or apk's: what is installed, and changing it. Sourced.
# shellcheck shell=sh disable=SC1091,SC2034,SC2154 # its variables are for those who source it
. "${0%/*}/_host"

# find_packages: in $manager dpkg, rpm or apk, in $database its file.
find_packages() {
  for manager in dpkg rpm apk; do
    for database in var/lib/dpkg/status var/lib/rpm/rpmdb.sqlite var/lib/rpm/Packages \
      usr/lib/sysimage/rpm/Packages.db lib/apk/db/installed; do
      case $database in
        *"$manager"*)
          database=$root/$database
          [ ! -e "$database" ] || return 0
          ;;
      esac
    done
  done
  return 1
}

# package_lock: somebody else has the package database; in $lock_pid who.
package_lock() {
  lock_pid=4242
  has_fault package_lock && ! is_past "$line"
}

# package_version NAME: prints the version that is installed ([EPOCH:]VERSION-RELEASE); fails when there is none.
package_version() {
  find_packages
  awk -v manager="$manager" -v name="$1" -F '\t' '
    manager == "rpm" { if ($1 == name) found = ($2 == "" ? "" : $2 ":") $3 "-" $4; next }
    manager == "apk" { if (sub(/^P:/, "")) here = ($0 == name); else if (here && sub(/^V:/, "")) found = $0; next }
    sub(/^Package: /, "") { here = ($0 == name) }
    here && sub(/^Version: /, "") { found = $0 }
    END { if (found == "") exit 1; print found }' "$database"
}

# add_package NAME VERSION [ARCH [SOURCE]]: in place of another version of it. SOURCE: of rpm the name of the source
# package's file, of dpkg "NAME (VERSION)". Exits 75 while the database is locked, 28 when the disk is full.
add_package() {
  change_packages add_row "$@"
}

# remove_package NAME
remove_package() {
  change_packages no_row "$1"
}

change_packages() {
  ! package_lock || return 75
  ! has_fault disk_full || return 28
  find_packages || return 1
  until mkdir "$lab/packages.lock" 2>/dev/null; do sleep 0.02; done
  how=$1
  shift
  { "rows_without_$manager" "$1" && "$how" "$@"; } >"$lab/packages.new"
  # In place of a link to what other hosts of that system share.
  mv "$lab/packages.new" "$database"
  rmdir "$lab/packages.lock"
}

no_row() {
  :
}

add_row() {
  "row_of_$manager" "$@"
}

rows_without_rpm() {
  awk -v name="$1" -F '\t' '$1 != name' "$database"
}

row_of_rpm() {
  epoch=''
  version=${2%-*}
  case $version in *:*) epoch=${version%%:*} version=${version#*:} ;; esac
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$epoch" "$version" "${2##*-}" "${3:-x86_64}" \
    "${4:-$1-$version-${2##*-}.src.rpm}" "$(date +%s)"
}

rows_without_dpkg() {
  awk -v name="$1" 'BEGIN { RS = ""; ORS = "\n\n" } index($0, "Package: " name "\n") != 1' "$database"
}

row_of_dpkg() {
  printf 'Package: %s\nStatus: install ok installed\nPriority: optional\nArchitecture: %s\n' "$1" "${3:-amd64}"
  [ -z "${4:-}" ] || printf 'Source: %s\n' "$4"
  printf 'Version: %s\nDescription: %s, simulated\n\n' "$2" "$1"
}

rows_without_apk() {
  awk -v name="$1" 'BEGIN { RS = ""; ORS = "\n\n" } !index("\n" $0, "\nP:" name "\n")' "$database"
}

row_of_apk() {
  printf 'P:%s\nV:%s\nA:%s\no:%s\n\n' "$1" "$2" "${3:-x86_64}" "${4:-$1}"
}

# set_changelog NAME: what `rpm -q --changelog NAME` prints, from stdin.
set_changelog() {
  mkdir -p "$lab/changelogs"
  cat >"$lab/changelogs/$1"
}
