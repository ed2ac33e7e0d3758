# shellcheck shell=sh disable=SC2154
# What the repositories offer for the running kernel. As root: Red Hat's keys are for root alone, and so no second cache
# of what repositories hold is made. Needs dnf/package.sh.

dnf_offered() {
  IFS= read -r running <"$root/proc/sys/kernel/osrelease"
  dnf_name_package "$running" || return 0
  if has_tool dnf5 && dnf_is_dnfs; then
    dnf_ask fixes dnf5 -q advisory list --security --with-cve
    dnf_ask newest dnf5 -q list --available "$package"
  elif has_tool dnf && dnf_is_dnfs; then
    dnf_ask fixes dnf -q --setopt=exit_on_lock=True updateinfo list cves
    dnf_ask newest dnf -q --setopt=exit_on_lock=True list --available "$package"
  else
    dnf_ask fixes yum -q --setopt=exit_on_lock=True updateinfo list cves
    dnf_ask newest yum -q --setopt=exit_on_lock=True list available "$package"
  fi
  dnf_coverage
}

# Amazon Linux 2 may have dnf, too; its plugin and repositories are yum's.
dnf_is_dnfs() {
  case $running in *.amzn2.*) return 1 ;; esac
}

# Amazon's plugins alone tell until when a kernel gets live patches; each has its own word for the question.
dnf_coverage() {
  case $running in
    *.amzn2.*) dnf_ask coverage yum -q --setopt=exit_on_lock=True kernel-livepatch supported ;;
    *.amzn*) dnf_ask coverage dnf -q --setopt=exit_on_lock=True kernel-livepatch support ;;
  esac
}

# dnf_ask WHAT PROGRAM ARGUMENT...: what it says between two lines of ours. All security updates of a host are too many
# rows: those of other packages stay there.
dnf_ask() {
  what=$1
  shift
  echo "ask	$what"
  case $what in
    fixes)
      { call "$@" || echo "failed	$?"; } </dev/null \
        | awk '/kernel|kpatch/ || !/[.](x86_64|aarch64|ppc64le|s390x|noarch|i[3-6]86)([[:space:]]|$)/' | head -c 300000
      ;;
    *) { call "$@" 2>&1 || echo "failed	$?"; } </dev/null | head -c 20000 ;;
  esac
  echo
  echo "told	$what"
}
