#!/bin/sh
# A small uptrack-show, uptrack-upgrade, uptrack-remove or ksplice: ROOT/ksplice/installed and offered hold lines as
# they are printed; exit-VERB makes a verb end with that code and these words.
set -u
state=$PATCHWAVE_ROOT/ksplice
mkdir -p "$PATCHWAVE_ROOT/calls"
echo "${0##*/} $*" >>"$PATCHWAVE_ROOT/calls/uptrack"
verb=${0##*/uptrack-}
option='' wanted=''
for word; do
  case $word in
    kernel) ;;
    show | upgrade | remove) verb=$word ;;
    -y | -n) option=$word ;;
    *) wanted="$wanted $word" ;;
  esac
done
if [ -e "$state/exit-$verb$option" ]; then
  read -r code <"$state/exit-$verb$option"
  sed 1d "$state/exit-$verb$option"
  [ ! -e "$state/once" ] || rm "$state/exit-$verb$option"
  [ "$code" = go ] || exit "$code"
fi
new() { grep -vxF -f "$state/installed" "$state/offered"; }
case $verb$option in
  show)
    echo 'Installed updates:'
    if [ -s "$state/installed" ]; then cat "$state/installed"; else echo None; fi
    printf '\nEffective kernel version is 5.15.0-1\n'
    ;;
  upgrade-n)
    echo 'Effective kernel version is 5.15.0-1'
    if [ -z "$(new)" ]; then
      echo 'Nothing to be done.'
    else
      echo 'The following steps will be taken:'
      cat "$state/replaced" 2>/dev/null
      new | sed 's/^/Install /'
    fi
    ;;
  upgrade-y)
    if [ -e "$state/lies" ]; then exit 0; fi
    sed -n 's/^Remove //p' "$state/replaced" 2>/dev/null | grep -vxF -f - "$state/installed" >"$state/left"
    [ ! -e "$state/replaced" ] || cat "$state/left" >"$state/installed"
    new >"$state/new"
    cat "$state/new" >>"$state/installed"
    echo 'Your kernel is fully up to date.'
    ;;
  remove-n)
    echo 'The following steps will be taken:'
    for id in $wanted $(cat "$state/dependents" 2>/dev/null); do grep -F "[$id]" "$state/installed" | sed 's/^/Remove /'; done
    echo Aborting.
    exit 12
    ;;
  remove-y)
    if [ "$wanted" = ' --all' ]; then
      : >"$state/installed"
      echo 'New updates are available. Please re-run Uptrack with a network connection available'
      exit 10
    fi
    for id in $wanted; do
      grep -vF "[$id]" "$state/installed" >"$state/left"
      cat "$state/left" >"$state/installed"
    done
    ;;
esac
