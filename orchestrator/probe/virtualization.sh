# shellcheck shell=sh disable=SC2154
# Container, virtual machine or neither: files first, then systemd's own answer, then DMI and the processor's flags.

read_virtualization() {
  if [ -e "$root/run/systemd/container" ]; then
    put_file container "$root/run/systemd/container"
  elif [ -e "$root/.dockerenv" ]; then
    put container docker
  elif [ -e "$root/run/.containerenv" ]; then
    put container podman
  elif can_call systemd-detect-virt; then
    put detected "$(call_last systemd-detect-virt)"
  else
    put_file vendor "$root/sys/class/dmi/id/sys_vendor"
    put_file hypervisor "$root/sys/hypervisor/type"
    read_processor_flags
  fi
}

read_processor_flags() {
  answer=''
  {
    while IFS= read -r value; do
      case $value in
        flags*:*\ hypervisor\ * | flags*:*\ hypervisor)
          answer=hypervisor
          break
          ;;
        flags*:* | Features*:*)
          answer=none
          break
          ;;
      esac
    done
  } 2>/dev/null <"$root/proc/cpuinfo"
  if [ -n "$answer" ]; then put flags "$answer"; else lack flags unreadable; fi
}
