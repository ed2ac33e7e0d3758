# What klp, zypper and the start at boot of a host with SUSE's live patches share. Sourced after _tool.
# Level N is version N+1 of the running kernel's package, and fixes what the N patches before it fix, too. Version 1 is the
# initial live patch, which fixes nothing.
# shellcheck shell=sh disable=SC1091,SC2034,SC2154 # its variables are for those who source it
. "${0%/*}/_module"
. "${0%/*}/_packages"

# find_package: of the running kernel, in $package; $code of the service pack; $offered.
find_package() {
  host_value release
  release=$value
  package=kernel-livepatch-$(echo "$release" | tr . _)
  code=${release#*-}
  code=${code%%.*}
  offered=0
  host_value level_offered && offered=$value
}

# version_of LEVEL: 3-150600.2.1
version_of() {
  echo "$(($1 + 1))-$code.2.1"
}

# module_of LEVEL: what KBUILD_MODNAME makes of it.
module_of() {
  echo "livepatch_$(version_of "$1" | tr .- __)"
}

# find_installed: the level of the installed package in $installed; -1 for none.
find_installed() {
  installed=-1
  version=$(package_version "$package") || return 0
  installed=$((${version%%-*} - 1))
}

# cves_of LEVEL: in one line.
cves_of() {
  number=1
  while [ "$number" -le "$1" ]; do
    printf '%s ' "$(cve_of "$number")"
    number=$((number + 1))
  done
}

# install_level LEVEL: the package, whose script loads its module. 75: another process has the database, 28: no space,
# 1: the module did not get in.
install_level() {
  add_package "$package" "$(version_of "$1")" || return
  keep at_boot yes
  load_level "$1"
}

# The script does not wait for tasks to move; what it leaves behind tells the truth once they have.
load_level() {
  module=$(module_of "$1")
  ! is_in_force "$module" || return 0
  remove_replaced
  file=$root/usr/lib/modules/$release/livepatch/$(echo "$module" | tr _ -).ko
  write_module "$file" "$module" "$1" replace
  insert_module "$file" || return 1
  if settle 5 && is_in_force "$module"; then
    tell_level "$1"
    remove_replaced
  fi
}

# Modules whose patch another one took the place of.
remove_replaced() {
  for old in "$modules"/livepatch_*; do
    old=${old##*/}
    if is_loaded "$old" && [ ! -d "$patches/$old" ]; then remove_module "$old"; fi
  done
}

tell_level() {
  if [ "$1" -eq 0 ]; then
    rm -f "$lab/tools/$tool/truth"
  else
    tell_truth "level=$(version_of "$1")" "module $(module_of "$1")"
  fi
}
