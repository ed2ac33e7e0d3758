# What Ksplice's programs, its cron job and its start at boot share. Sourced after _tool.
#   ids      in memory: the updates in force in this boot, as the client tells them, a line each
#   at_boot  on disk: it has something to bring back
# Update 0 enables the others and fixes nothing; every fourth host has one that detects an attack.
# shellcheck shell=sh disable=SC1091,SC2034,SC2154 # its variables are for those who source it
. "${0%/*}/_module"
conf=$root/etc/uptrack/uptrack.conf
ids=$lab/memory/$tool/ids

# offer: $offered, and in $release the kernel.
offer() {
  offered=0
  host_value level_offered && offered=$value
  host_value release
  release=$value
}

# id_of NUMBER: eight letters and digits, others for each kernel.
id_of() {
  sum=$(printf '%s %s' "$release" "$1" | sha1sum)
  printf '%.8s\n' "$sum"
}

# all_updates: those that are offered, oldest first, as they are printed.
all_updates() {
  printf '[%s] Enablement update for live patching.\n' "$(id_of 0)"
  number=1
  while [ "$number" -le "$offered" ]; do
    printf '[%s] %s: Use-after-free in subsystem %s.\n' "$(id_of "$number")" "$(cve_of "$number")" "$number"
    number=$((number + 1))
  done
  # What is offered belongs to the kernel, not to the host.
  host_value release
  case $value in
    *uek*) printf '[%s] Known exploit detection for CVE-2099-1999.\n' "$(id_of detection)" ;;
  esac
}

# updates OPTION: of those that are offered what is installed (-x), or is not (-vx).
updates() {
  mkdir -p "${ids%/*}"
  [ -e "$ids" ] || : >"$ids"
  [ "$offered" -gt 0 ] || return 0
  sed 's/.*/[&]/' "$ids" >"$ids.$$"
  all_updates | if [ "$1" = -x ]; then grep -F -f "$ids.$$"; else grep -v -F -f "$ids.$$"; fi
  rm -f "$ids.$$"
}

is_installed() {
  [ -s "$ids" ]
}

# effective_of: what the kernel amounts to, without the architecture.
effective() {
  count=0
  ! is_installed || count=$(grep -c . "$ids")
  rest=${release#*-}
  first=${rest%%[!0-9]*}
  last=${rest#"$first"}
  echo "${release%%-*}-$((first + count))${last%.x86_64}"
}

# word: the level as a check tells it.
word() {
  echo "$(sort "$ids" | grep -c .)-$(sort "$ids" | sha256sum | head -c 12)"
}

# put_in_force: all that is offered. Under the fault lies the kernel took nothing.
put_in_force() {
  all_updates | sed 's/^\[\([a-z0-9]*\)\].*/\1/' >"$ids.new"
  settle_on_disk
  if has_fault lies; then
    mv "$ids.new" "$ids"
    return 0
  fi
  while read -r id; do load_plain_module "ksplice_$id"; done <"$ids.new"
  mv "$ids.new" "$ids"
  tell_truth "level=$(word)" "patch ksplice $(word)"
  patched
}

settle_on_disk() {
  mkdir -p "$lab/tools/$tool"
  cp "$ids.new" "$lab/tools/$tool/init_plan"
  keep at_boot yes
}

# take_out ID...
take_out() {
  lock
  for id; do
    rm -rf "${modules:?}/ksplice_$id"
    grep -v "^ksplice_$id " "$root/proc/modules" >"$lab/modules.new"
    mv "$lab/modules.new" "$root/proc/modules"
    grep -vx "$id" "$ids" >"$ids.new"
    mv "$ids.new" "$ids"
  done
  unlock
  cp "$ids" "$lab/tools/$tool/init_plan"
  if is_installed; then
    tell_truth "level=$(word)" "patch ksplice $(word)"
  else
    rm -f "$lab/tools/$tool/truth"
  fi
}

# why_not: prints what keeps an update out; fails where nothing does.
why_not() {
  if has_fault rejects; then
    echo "Ksplice was unable to install this update: $line"
  elif has_fault stalls; then
    printf 'Ksplice was unable to install the update because one or more programs\n'
    printf 'are constantly using the kernel functions patched by this update.\n\n  - nfsd (pid 2210)\n'
  elif has_fault disk_full; then
    echo 'No space left on device'
  else
    return 1
  fi
}

# setting KEY: yes, when the configuration says so.
is_set() {
  last=$(sed -n "s/^$1 *= *//p" "$conf" 2>/dev/null | tail -n 1)
  case $last in [Yy]es | [Oo]n | [Tt]rue | 1) return 0 ;; *) return 1 ;; esac
}
