# shellcheck shell=sh disable=SC2034,SC2154
# What the live-patch package of a kernel is called. packages.py has the same rule.

# dnf_name_package RELEASE: in $package; fails for a kernel that no package is made for.
dnf_name_package() {
  case $1 in
    *.el[0-9]*uek* | *+* | *.elrepo.*) return 1 ;;
    *-*.el[0-9]*)
      dnf_underscore "${1%.el[0-9]*}"
      package=kpatch-patch-$underscored
      ;;
    *-*.amzn[0-9]*) package=kernel-livepatch-${1%.amzn[0-9]*} ;;
    *) return 1 ;;
  esac
}

dnf_underscore() {
  rest=$1 underscored=''
  while :; do
    case $rest in
      *.*)
        underscored=$underscored${rest%%.*}_
        rest=${rest#*.}
        ;;
      *)
        underscored=$underscored$rest
        return 0
        ;;
    esac
  done
}
