# What uptrack-show, uptrack-upgrade and uptrack-remove do, under those names and as `ksplice kernel`. Two ages of the
# client: on hosts with odd numbers the older one, which warns of an old setting.
# shellcheck shell=sh disable=SC2034,SC2154 # its variables are for those who source it

fail() {
  code=$1
  shift
  printf '%s\n' "$@"
  return "$code"
}

# uptrack VERB ARGUMENT...
uptrack() {
  offer
  find_licence
  verb=$1 option='' wanted='' what=installed
  shift
  for argument; do
    case $argument in
      -y | -n) option=$argument ;;
      --available) what=available ;;
      *) wanted="$wanted $argument" ;;
    esac
  done
  if ! is_root; then
    echo 'Unable to set up the logger.' >&2
    echo 'The Uptrack client must be run as root.' >&2
    return 1
  fi
  host_value number
  if [ "$((value % 2))" -eq 1 ]; then
    echo 'Warning: The cron output configuration options have been removed.'
  fi
  if [ "$licence" = none ]; then
    fail 20 'You must specify an access key to use the service.' 'Please add your key to /etc/uptrack/uptrack.conf'
    return
  fi
  case $verb in
    show) show ;;
    upgrade | remove)
      take_time
      one_at_a_time change
      ;;
  esac
}

show() {
  if [ "$what" = available ]; then
    echo 'Available updates:'
    updates -vx | grep . || echo None
  else
    echo 'Installed updates:'
    updates -x | grep . || echo None
  fi
  printf '\nEffective kernel version is %s\n' "$(effective)"
}

change() {
  if [ -e "$root/etc/uptrack/disable" ]; then
    fail 1 'Uptrack disabled by system administrator, remove /etc/uptrack/disable to enable.'
  elif [ "$verb" = remove ]; then
    remove
  elif [ "$offered" -eq 0 ]; then
    fail 13 'Cannot find Ksplice Uptrack information for your kernel version' "($release)." \
      'Your kernel is probably not yet supported by Ksplice Uptrack.'
  elif [ "$licence" = expired ]; then
    fail 17 'Installing updates is disabled.'
  else
    upgrade
  fi
}

upgrade() {
  new=$(updates -vx)
  if [ -z "$new" ]; then
    echo 'Nothing to be done.'
    [ "$option" = -n ] || echo 'Your kernel is fully up to date.'
    echo "Effective kernel version is $(effective)"
    return 0
  fi
  [ "$option" != -n ] || echo "Effective kernel version is $(effective)"
  echo 'The following steps will be taken:'
  echo "$new" | sed 's/^/Install /'
  case $option in
    -n) return 0 ;;
    '')
      fail 12 Aborting.
      return
      ;;
  esac
  if reason=$(why_not); then
    fail 1 '' 'The following actions failed:' "$(echo "$new" | head -n 1)" "$reason"
    return
  fi
  echo "$new" | sed 's/^/Installing /'
  put_in_force
  echo 'Your kernel is fully up to date.'
  echo "Effective kernel version is $(effective)"
}

remove() {
  [ "$wanted" != ' --all' ] || wanted=$(cat "$ids" 2>/dev/null)
  # shellcheck disable=SC2086 # ids are words
  set -- $wanted
  [ "$#" -gt 0 ] || {
    echo 'Nothing to be done.'
    return 0
  }
  echo 'The following steps will be taken:'
  for id; do updates -x | grep -F "[$id]" | sed 's/^/Remove /'; done
  [ "$option" = -y ] || {
    fail 12 Aborting.
    return
  }
  if has_fault stalls_reverting; then
    fail 1 'The following actions failed:' 'Ksplice was unable to remove the update: it is in use.'
    return
  fi
  take_out "$@"
  echo "Effective kernel version is $(effective)"
}
