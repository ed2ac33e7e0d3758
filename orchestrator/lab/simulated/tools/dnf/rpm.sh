#!/bin/sh
# rpm, which knows the files and the changelog of the live-patch package; all else is asked of the host's own.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=dnf
. "${0%/*}/_tool"
. "${0%/*}/_dnf"

# The one format that has files and changes: a line for each.
show_package() {
  find_package
  find_installed
  if [ "$1" != "$package" ] || ! version=$(package_version "$package"); then
    echo "package $1 is not installed"
    return 1
  fi
  printf 'name\t%s\nevr\t(none):%s\n' "$package" "$version"
  printf 'file\t/usr/share/licenses/%s/COPYING\n' "$package"
  for module in $(modules_of "$installed"); do printf 'file\t%s\n' "$(file_of "$module" "$installed")"; done
  number=$installed
  while [ "$number" -gt 0 ]; do
    printf 'change\t- a fix, simulated [RHEL-%s] {%s}\n' "$((7000 + number))" "$(cve_of "$number")"
    number=$((number - 1))
  done
  printf 'end\t\n'
}

main() {
  case "$*" in
    *FILENAMES*)
      while [ "$#" -gt 1 ]; do shift; done
      speak show_package "$1"
      ;;
    *) exec "${0%/*}/rpm.rpm" "$@" ;;
  esac
}

main "$@"
