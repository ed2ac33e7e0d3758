# shellcheck shell=sh disable=SC2154
# The live-patch package of the running kernel as rpm knows it, in one call; what else is local is read by builtins.
# Needs dnf/package.sh.

dnf_installed() {
  IFS= read -r running <"$root/proc/sys/kernel/osrelease"
  dnf_name_package "$running" || return 0
  dnf_agents
  dnf_boot
  case $package in kernel-livepatch-*) dnf_repositories ;; esac
  dnf_modules
  echo "rpm	$package"
  call rpm -q --qf \
    'name\t%{NAME}\nevr\t%{EPOCH}:%{VERSION}-%{RELEASE}\n[file\t%{FILENAMES}\n][change\t%{CHANGELOGTEXT}\n]end\t\n' \
    "$package"
}

# What updates packages by itself, and so may outrun a rollout: a timer or service that is switched on.
dnf_agents() {
  for unit in timers.target.wants/dnf-automatic.timer timers.target.wants/dnf-automatic-install.timer \
    timers.target.wants/dnf5-automatic.timer multi-user.target.wants/yum-cron.service; do
    if [ -L "$root/etc/systemd/system/$unit" ] || [ -e "$root/etc/systemd/system/$unit" ]; then
      echo "agent	${unit##*/}"
    fi
  done
  for file in dnf/plugins/kpatch.conf yum/pluginconf.d/kpatch.conf; do
    while IFS= read -r line; do
      case $line in
        [Aa]uto[Uu]pdate*=*[Tt]rue* | [Aa]uto[Uu]pdate*=*1* | [Aa]uto[Uu]pdate*=*[Yy]es*) echo "agent	kpatch autoupdate" ;;
      esac
    done 2>/dev/null <"$root/etc/$file"
  done
}

# Modules come back at boot by this service.
dnf_boot() {
  for wants in multi-user.target.wants sysinit.target.wants; do
    file=$root/etc/systemd/system/$wants/kpatch.service
    if [ -L "$file" ] || [ -e "$file" ]; then echo 'boot	kpatch.service'; fi
  done
}

# Amazon's live patches are in a repository of their own, off until somebody switches it on.
dnf_repositories() {
  for file in "$root"/etc/yum.repos.d/*.repo; do
    section=''
    while IFS= read -r line || [ -n "$line" ]; do
      case $line in
        '['*) section=$line ;;
        enabled=1* | enabled=[Tt]rue* | 'enabled = '[1Tt]* | 'enabled= '[1Tt]* | 'enabled ='[1Tt]*) case $section in *livepatch*) echo "repository	$section" ;; esac ;;
      esac
    done 2>/dev/null <"$file"
  done
}

# What kpatch has for the running kernel, should the package not own its modules itself.
dnf_modules() {
  for file in "$root/var/lib/kpatch/$running"/*.ko; do
    if is_plain "${file##*/}" && [ -e "$file" ]; then echo "module	${file##*/}"; fi
  done
}
