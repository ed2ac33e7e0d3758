# shellcheck shell=sh disable=SC2154
# KernelCare as its kernel module, its settings and kcarectl tell of it. Only what stands on the host's disk or in its
# memory: nothing here asks TuxCare's servers.

# What needs no root. The login may be behind the scanner interface, a library in front of the system's: set_up keeps it
# from the programs that we start, and has it in preload.
kernelcare_kernel() {
  body=''
  put_file effective "$root/proc/kcare/effective_version"
  if [ -d "$root/proc/kcare" ]; then put proc yes; else put proc no; fi
  if [ -d "$root/sys/module/kcare" ]; then
    put module yes
  elif [ -d "$root/sys/module" ]; then
    put module no
  else
    lack module unreadable
  fi
  put uname "$(call_last uname -r)"
  case $preload in
    *kcare* | *kpatch_package*) put preload yes ;;
    *) put preload no ;;
  esac
  printf '%s' "$body"
}

kernelcare_cves() {
  cat "$root/proc/kcare/cvelist"
}

kernelcare_uname() {
  call kcarectl --uname
}

kernelcare_info() {
  call kcarectl --info
}

kernelcare_patch_info() {
  call kcarectl --patch-info
}

# The settings of the agent, and whether it was us who changed them.
kernelcare_settings() {
  body=''
  opened='' line=''
  {
    opened=1
    while read -r line || [ -n "$line" ]; do
      case $line in
        AUTO_UPDATE* | UPDATE_DELAY* | STICKY_PATCH* | AUTO_STICKY_PATCH*) put setting "$line" ;;
      esac
      line=''
    done
  } 2>/dev/null <"$root/etc/sysconfig/kcare/kcare.conf"
  if [ -z "$opened" ]; then lack setting unreadable; fi
  if [ -e "$root/var/lib/patchwave/pins/kernelcare" ]; then put pinned yes; else put pinned no; fi
  printf '%s' "$body"
}

# These three ask the vendor.
kernelcare_check() {
  call kcarectl --check
}

kernelcare_status() {
  call kcarectl --status
}

kernelcare_licence() {
  call kcarectl --license-info
}
