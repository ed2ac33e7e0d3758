# What dnf and yum say of repositories, and do. Sourced after _dnf; $program is who speaks.
# shellcheck shell=sh disable=SC2034,SC2154 # its variables are for those who source it

read_options() {
  quiet=no verb='' words=''
  for argument; do
    case $argument in
      -q) quiet=yes ;;
      -*) ;;
      *) if [ -z "$verb" ]; then verb=$argument; else words="$words $argument"; fi ;;
    esac
  done
  words=${words# }
}

# Red Hat alone wants a subscription.
is_registered() {
  find_licence
  host_value distribution
  [ "$value" != rhel ] || [ "$licence" = valid ]
}

say_unregistered() {
  echo 'Updating Subscription Management repositories.'
  if [ "$licence" = none ]; then
    printf 'Unable to read consumer identity\n\n'
    echo 'This system is not registered with an entitlement server. You can use subscription-manager to register.'
  else
    printf '\nThis system is registered with an entitlement server, but is not receiving updates. '
    echo 'You can use subscription-manager to assign subscriptions.'
  fi
  echo
}

# Half of the hosts have no other repositories.
need_repositories() {
  is_registered && return 0
  say_unregistered
  host_value number
  [ "$((value % 2))" = 0 ] || return 0
  # shellcheck disable=SC2016
  echo 'Error: There are no enabled repositories in "/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d".' >&2
  return 1
}

list_cves() {
  find_installed
  number=$((installed + 1))
  while [ "$installed" -gt 0 ] && [ "$number" -le "$offered" ]; do
    echo "$(cve_of "$number") Important/Sec. $package-$(version_of "$number").x86_64"
    number=$((number + 1))
  done
  host_value number
  if [ "$((value % 4))" = 1 ]; then
    echo "$(cve_of 77) Moderate/Sec.  kernel-core-$(echo "$release" | sed 's/[.]\(el\|amzn\)/.99.\1/; s/[.]x86_64$//').x86_64"
  fi
  echo "$(cve_of 78) Low/Sec.       openssl-libs-3.2.2-99.$ending.x86_64"
}

# The newest, where it is newer than what is installed.
list_available() {
  find_installed
  if [ "${words##* }" != "$package" ] || [ "$installed" -ge "$offered" ]; then
    echo 'Error: No matching Packages to list' >&2
    return 1
  fi
  echo 'Available Packages'
  print_row "$(version_of "$offered")"
}

coverage() {
  until=2099-06-30
  find_licence
  [ "$licence" = valid ] || until=2020-01-31
  echo "The current version of the Linux kernel you are running will no longer receive live patches after $until."
}

# install_words: NAME or NAME-VERSION.
install_words() {
  find_installed
  wanted=0
  case $words in
    "$package") wanted=$offered ;;
    "$package-$first"-[1-9]*."$ending")
      wanted=${words#"$package-$first-"}
      wanted=${wanted%%.*}
      ;;
  esac
  if [ "$wanted" -lt 1 ] || [ "$wanted" -gt "$offered" ]; then
    say_no_match
    return 1
  fi
  if [ "$wanted" -le "$installed" ]; then
    echo 'Nothing to do.'
    return 0
  fi
  take_time
  printf 'Dependencies resolved.\nInstalling:\n %s x86_64 %s\n' "$package" "$(version_of "$wanted")"
  install_level "$wanted"
  say_installed "$?"
}

say_installed() {
  case $1 in
    0) echo 'Complete!' ;;
    28)
      printf 'Error: Transaction test error:\n' >&2
      echo "  installing package $package-$(version_of "$wanted").x86_64 needs 2MB more space on the / filesystem" >&2
      return 1
      ;;
    75)
      say_locked
      return 200
      ;;
    *)
      echo "warning: %post($package-$(version_of "$wanted").x86_64) scriptlet failed, exit status 1" >&2
      echo 'Complete!'
      ;;
  esac
}

need_root() {
  is_root || {
    echo 'Error: This command has to be run with superuser privileges (under the root user on most systems).' >&2
    return 1
  }
}

run() {
  read_options "$@"
  find_package
  case $verb in
    install | upgrade | update)
      need_root || return
      if package_lock; then
        say_locked
        return 200
      fi
      need_repositories || return
      one_at_a_time install_words
      ;;
    updateinfo)
      take_time
      need_repositories || return
      [ "$quiet" = yes ] || echo 'Last metadata expiration check: 0:41:07 ago on Mon 13 Feb 2098 09:28:19 PM UTC.'
      is_registered || return 0
      list_cves
      ;;
    list)
      need_repositories || return
      ! is_registered || list_available
      ;;
    kernel-livepatch) coverage ;;
    *)
      echo "No such command: $verb. Please use /usr/bin/$program --help" >&2
      return 1
      ;;
  esac
}
