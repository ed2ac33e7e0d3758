# shellcheck shell=sh disable=SC2154
# LibCare: which processes carry live patches of their libraries, and what these fix. Nothing here asks a server.

# There is something to ask: for logins without root.
libcare_there() {
  :
}

# KernelCare's client knows what its LibCare did; libcare-ctl is LibCare by itself.
libcare_processes() {
  if has_tool kcarectl; then
    call kcarectl --lib-info
  else
    call libcare-ctl info -n
  fi
}

libcare_cves() {
  cat "$root/var/cache/kcare/libcare_cvelist"
}

libcare_patch_info() {
  call kcarectl --lib-patch-info
}
