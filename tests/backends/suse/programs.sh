#!/bin/sh
# A small klp, zypper and rpm: ROOT/suse/repository and installed hold versions, one a line; exit-PROGRAM makes one end
# with that code and these words. What is installed is loaded at once, unless suse/not-loaded is there.
set -u
root=$PATCHWAVE_ROOT state=$PATCHWAVE_ROOT/suse package=kernel-livepatch-6_1_0-test
live=$root/sys/kernel/livepatch
mkdir -p "$root/calls"
echo "${0##*/} $*" >>"$root/calls/suse"
if [ -e "$state/exit-${0##*/}" ]; then
  read -r code <"$state/exit-${0##*/}"
  sed 1d "$state/exit-${0##*/}"
  [ ! -e "$state/once" ] || rm "$state/exit-${0##*/}"
  case $code in go*) ;; *) exit "$code" ;; esac
fi
load() {
  [ ! -e "$state/not-loaded" ] || return 0
  rm -rf "$live"/livepatch_*
  mkdir -p "$live/$(module "$1")"
  echo 1 >"$live/$(module "$1")/enabled"
  if [ -e "$state/stalls" ]; then echo 1; else echo 0; fi >"$live/$(module "$1")/transition"
}
module() { echo "livepatch_$1" | tr '.-' '__'; }
install() {
  echo "$1" >"$state/installed"
  load "$1"
}
case ${0##*/}:$* in
  klp:'-v patches')
    for folder in "$live"/*/; do
      [ -d "$folder" ] || continue
      folder=${folder%/}
      echo "${folder##*/}"
      echo "    active: $(cat "$folder/enabled")"
      for version in $(cat "$state/repository"); do
        [ "$(module "$version")" != "${folder##*/}" ] || echo "    RPM: $package-$version.x86_64"
      done
    done
    ;;
  klp:'-n downgrade')
    before=$(sed "/^$(cat "$state/installed")$/,\$d" "$state/repository" | tail -n 1)
    [ -n "$before" ] || { echo 'There is no previous version.'; exit 1; }
    install "$before"
    ;;
  klp:*) echo 57 ;;
  rpm:*) cat "$state/installed" 2>/dev/null || { echo "package $package is not installed"; exit 1; } ;;
  zypper:*)
    for last; do :; done
    version=${last#*=}
    [ "$version" != "$last" ] || version=$(tail -n 1 "$state/repository")
    if ! grep -qx -- "$version" "$state/repository"; then echo "No provider of '$last' found."; exit 104; fi
    if [ "$version" = "$(cat "$state/installed" 2>/dev/null)" ]; then echo 'Nothing to do.'; exit 0; fi
    install "$version"
    [ ! -e "$state/ends" ] || exit "$(cat "$state/ends")"
    ;;
esac
