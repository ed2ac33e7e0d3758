# What KernelCare's client, its agent and its start at boot share. Sourced after _tool.
#   level               what is in force in this boot, as the client tells it; 0 for nothing
# Half of the hosts have a client of 2016, whose module has no /proc/kcare.
# shellcheck shell=sh disable=SC1091,SC2034,SC2154 # its variables are for those who source it
. "${0%/*}/_module"
conf=$root/etc/sysconfig/kcare/kcare.conf

is_old_client() {
  host_value number
  [ "$((${value:-0} % 2))" -eq 1 ]
}

# effective_of LEVEL: 5.14.0-427.13.1.el9_4.kc3.
effective_of() {
  host_value release
  echo "${value%.x86_64}.kc$1"
}

# word_of LEVEL: as a check tells it.
word_of() {
  echo "$1@$(effective_of "$1")"
}

# print_cves LEVEL FORMAT: two for each level up to that one.
print_cves() {
  count=1
  while [ "$count" -le "$(($1 * 2))" ]; do
    # shellcheck disable=SC2059 # the format is ours
    printf "$2" "CVE-2099-$((2000 + count))"
    count=$((count + 1))
  done
}

# Anything but a no lets the agent patch.
is_agent_on() {
  last=$(sed -n 's/^ *AUTO_UPDATE *= *//p' "$conf" 2>/dev/null | tail -n 1)
  case $last in [Ff]alse | FALSE | [Nn]o | NO | 0) return 1 ;; esac
}

# put_in_force LEVEL: in memory, and in what the module tells of it. /proc/kcare goes with a boot, like all of memory.
put_in_force() {
  remember level "$1"
  keep at_boot yes
  ! has_fault lies || return 0
  load_plain_module kcare
  if ! is_old_client; then
    told=$lab/memory/$tool/proc
    mkdir -p "$told"
    ln -sfn "$told" "$root/proc/kcare"
    effective_of "$1" >"$told/effective_version"
    print_cves "$1" '%s\n' >"$told/cvelist"
  fi
  tell_truth "level=$(word_of "$1")" "patch kcare $(word_of "$1")"
  patched
}

take_out() {
  remember level 0
  rm -rf "$lab/memory/$tool/proc"
  rm -f "$lab/tools/$tool/truth"
}

# why_not: prints what keeps a patch out; fails where nothing does.
why_not() {
  if has_fault rejects; then
    echo "Unable to load kmod (/var/cache/kcare/modules/kcare.ko): $line"
  elif has_fault stalls; then
    echo 'Unable to apply patch: some threads could not be frozen'
  elif has_fault disk_full; then
    echo '[Errno 28] No space left on device'
  else
    return 1
  fi
}
