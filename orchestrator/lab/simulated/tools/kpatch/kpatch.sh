#!/bin/sh
# kpatch: load, unload, list, install, uninstall, version. Of the hosts half have 0.9.11, a quarter 0.6.3 and a quarter
# 0.4.0, whose list knows no states.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=kpatch
. "${0%/*}/_tool"
. "${0%/*}/_kpatch"

find_version() {
  host_value number
  case $((${value:-0} / 3 % 4)) in
    0 | 1) version=0.9.11 ;;
    2) version=0.6.3 ;;
    *) version=0.4.0 ;;
  esac
}

# find_module NAME: a file, or one that is installed for the running kernel, by its file's or its module's name.
find_module() {
  for found in "$1" "$installed/$(running)/$1"; do
    [ ! -f "$found" ] || return 0
  done
  for found in "$installed/$(running)"/*.ko; do
    [ ! -f "$found" ] || [ "$(name_of "$found")" != "$1" ] || return 0
  done
  return 1
}

name_of() {
  basename "$1" .ko | tr - _
}

load() {
  if [ "$1" = --all ]; then
    for file in "$installed/$(running)"/*.ko; do
      [ ! -e "$file" ] || load_module "$file"
    done
    return 0
  fi
  find_module "$1" || die "can't find $1"
  load_module "$found"
}

list() {
  echo 'Loaded patch modules:'
  stalled=''
  for live in "$patches"/*/; do
    [ -d "$live" ] || continue
    show_state "$(basename "$live")"
  done
  [ -z "$stalled" ] || [ "$version" = 0.4.0 ] || show_stalled
  printf '\nInstalled patch modules:\n'
  for file in "$installed"/*/*.ko; do
    [ -e "$file" ] || continue
    folder=${file%/*}
    echo "$(name_of "$file") (${folder##*/})"
  done
}

show_state() {
  if is_enabled "$1"; then state=enabled; else state=disabled; fi
  if is_moving "$1"; then
    stalled=yes
    state=${state%ed}ing...
  fi
  case $version in
    0.4.0) echo "$1" ;;
    *) echo "$1 [$state]" ;;
  esac
}

need_root() {
  is_root || die "$1: Permission denied"
}

# The version's own rule: another kernel's module is refused, and so is one that is installed already.
install_module() {
  [ -e "$1" ] || die "$1 doesn't exist"
  magic=$(tr '\000' '\n' <"$1" | sed -n 's/^vermagic=\([^ ]*\).*/\1/p' | head -n 1)
  [ "$magic" = "$(running)" ] || die "invalid module version $magic for kernel $(running)"
  folder=$installed/$(running)
  [ ! -e "$folder/$(basename "$1")" ] || die "$(basename "$1") is already installed"
  echo "installing $1 ($(running))"
  ! has_fault disk_full || die "failed to install module $1"
  mkdir -p "$folder" && cp "$1" "$folder" && "$root/stand-ins/systemctl" enable kpatch.service
}

uninstall_module() {
  kernel=$(running)
  case $1 in
    -k)
      kernel=$2
      shift 2
      ;;
  esac
  [ -f "$installed/$kernel/$1" ] || die "$1 is not installed for kernel $kernel"
  echo "uninstalling $1 ($kernel)"
  rm -f "$installed/$kernel/$1"
  rmdir "$installed/$kernel" "$installed" 2>/dev/null || :
}

main() {
  find_version
  bring_offered
  case ${1:-} in
    load | unload | install | uninstall) need_root "$1" ;;
  esac
  case ${1:-} in
    load) load "$2" ;;
    unload) unload_module "$(name_of "$2")" ;;
    install) install_module "$2" ;;
    uninstall)
      shift
      uninstall_module "$@"
      ;;
    list) list ;;
    version) echo "$version" ;;
    *)
      echo 'usage: kpatch <command> [<args>]' >&2
      return 1
      ;;
  esac
}

speak main "$@"
