# What dnf, yum, rpm, the agent and the boot of a host with live-patch packages share. Sourced after _tool.
# Version N of a package fixes N CVEs. Red Hat's has one module that replaces its predecessor; Amazon's brings a module for
# each CVE, and none of them replaces another.
# shellcheck shell=sh disable=SC1091,SC2034,SC2154 # its variables are for those who source it
. "${0%/*}/_module"
. "${0%/*}/_packages"

# find_package: of the running kernel, in $package; $ending of its versions, $first part of them, $is_amazon.
find_package() {
  host_value release
  release=$value
  case $release in
    *.amzn*)
      is_amazon=yes first=1.0 ending=amzn${release##*.amzn}
      package=kernel-livepatch-${release%.amzn*}
      ;;
    *)
      is_amazon=no first=1 ending=el${release##*.el}
      package=kpatch-patch-$(echo "${release%.el*}" | tr . _)
      ;;
  esac
  ending=${ending%.*}
  offered=0
  host_value level_offered && offered=$value
}

# version_of LEVEL: 1-2.el9_6, 1.0-2.amzn2023
version_of() {
  echo "$first-$1.$ending"
}

# find_installed: the level of the installed package in $installed, 0 for none.
find_installed() {
  installed=0
  version=$(package_version "$package") || return 0
  installed=${version#*-}
  installed=${installed%%.*}
}

# cve_of NUMBER: of the so-manieth fix for this kernel.
cve_of() {
  seed=$(printf '%s' "$release" | cksum)
  echo "CVE-2098-$((10000 + ${seed%% *} % 80000 + $1))"
}

# modules_of LEVEL: the names of its modules, a line each.
modules_of() {
  if [ "$is_amazon" = yes ]; then
    number=1
    while [ "$number" -le "$1" ]; do
      echo "livepatch_$(cve_of "$number" | tr - _)"
      number=$((number + 1))
    done
  else
    echo "$(echo "${package#kpatch-patch-}" | tr '.-' '__' | sed 's/^/kpatch_/')_${first}_$1"
  fi
}

# file_of MODULE LEVEL: where its package puts it.
file_of() {
  if [ "$is_amazon" = yes ]; then
    echo "/var/lib/kpatch/$release/$1.ko"
  else
    echo "/usr/lib/kpatch/$release/${package#kpatch-patch-}-$first-$2.ko" | sed 's,/\([^/]*\)$,/kpatch-\1,'
  fi
}

# install_level LEVEL: the package and its modules. 75: another process has the database, 28: no space, 1: its script
# failed, because a module did not get in.
install_level() {
  add_package "$package" "$(version_of "$1")" || return
  keep at_boot yes
  load_level "$1"
}

load_level() {
  how=''
  [ "$is_amazon" = yes ] || how=replace
  for module in $(modules_of "$1"); do
    ! is_loaded "$module" || continue
    # shellcheck disable=SC2086 # no word at all, or one
    write_module "$root$(file_of "$module" "$1")" "$module" "$1" $how
    insert_module "$root$(file_of "$module" "$1")" || return 1
    wait_in_force "$module" || return 1
  done
  tell_level "$1"
}

# kpatch's way: it waits, gives up, and takes the module out again. Its 75 s are 5 here.
wait_in_force() {
  settle 5 && return 0
  disable_patch "$1" && settle 5 && remove_module "$1"
  return 1
}

# Under the fault lies the kernel took nothing.
tell_level() {
  for module in $(modules_of "$1"); do
    is_in_force "$module" || return 0
  done
  set -- "$1" "level=$(version_of "$1")"
  for module in $(modules_of "$1"); do set -- "$@" "module $module"; done
  shift
  tell_truth "$@"
}
