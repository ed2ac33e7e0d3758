# shellcheck shell=sh disable=SC2154,SC2016
# Installed kernels, and the packages that own them. Comes after the packages: where their list has just been sent, the
# owners are in it.

read_kernels() {
  releases=''
  for file in "$root"/boot/vmlinuz-[0-9]* "$root"/lib/modules/[0-9]*/vmlinuz "$root"/lib/modules/[0-9]*/kernel; do
    if [ -e "$file" ]; then add_release "$file"; fi
  done
  read_owners
}

add_release() {
  case $1 in
    */boot/vmlinuz-*) release=${1##*/vmlinuz-} ;;
    *) release=${1%/*} release=${release##*/} ;;
  esac
  case " $releases " in
    *" $release "*) return 0 ;;
  esac
  case $release in
    0-rescue-*) return 0 ;;
  esac
  if is_plain "$release"; then
    releases="$releases $release"
    put release "$release"
  else
    lack releases odd_name
  fi
}

read_owners() {
  put manager "$manager"
  if [ -z "$releases" ] || [ "$manager" = none ]; then return 0; fi
  if [ "$listed" = yes ] && [ "$format" != rpm ]; then
    put owners listed
  else
    "read_owners_$format"
  fi
}

read_owners_status() {
  value=$(exec awk '
    function show() {
      if (name ~ /^(linux-image|pve-kernel|proxmox-kernel)-/)
        printf "owner=%s\t%s\t%s\t%s\t%s\n", name, version, state, source ? source : name, \
          source_version ? source_version : version
      name = version = state = source = source_version = ""
    }
    /^Package: / { name = $2 } /^Status: / { state = $4 } /^Version: / { version = $2 }
    /^Source: / { source = $2; source_version = substr($3, 2, length($3) - 2) }
    /^$/ { show() }
    END { show() }' "$database") || lack owners unreadable
  body="$body$value$newline"
}

# dpkg-query exits 1 when a pattern matches nothing, and prints the others all the same.
read_owners_dpkg() {
  value=$(call_last dpkg-query --admindir="${database%/*}" -W \
    -f='owner=${Package}\t${Version}\t${db:Status-Status}\t${source:Package}\t${source:Version}\n' \
    'linux-image-*' 'pve-kernel-*' 'proxmox-kernel-*')
  status=$?
  if [ "$status" -gt 1 ]; then lack owners unreadable; fi
  body="$body$value$newline"
}

# One line for each file, in their order: "file … is not owned by any package" goes to stdout, too.
read_owners_rpm() {
  set --
  for release in $releases; do
    if [ -e "$root/lib/modules/$release/vmlinuz" ]; then
      set -- "$@" "/lib/modules/$release/vmlinuz"
    else
      set -- "$@" "/boot/vmlinuz-$release"
    fi
  done
  if [ "$#" -eq 0 ]; then return 0; fi
  value=$(call_last rpm -q --qf 'owner=%{NAME}\t%{EPOCH}:%{VERSION}-%{RELEASE}\tinstalled\t%{SOURCERPM}\t\n' -f "$@")
  # Its exit status counts the files without an owner as well: what says that it failed is a file without a line.
  answered=$(printf '%s\n' "$value" | grep -c -e '^owner=' -e ' is not owned by any package$')
  if [ "$answered" -lt "$#" ]; then lack owners unreadable; fi
  body="$body$value$newline"
}

read_owners_apk() {
  value=$(exec awk -F: '
    /^P:/ { name = $2 } /^V:/ { version = $2 } /^o:/ { origin = $2 }
    /^$/ {
      if (name ~ /^linux-/) printf "owner=%s\t%s\tinstalled\t%s\t%s\n", name, version, origin, version
      name = ""
    }' "$database") || lack owners unreadable
  body="$body$value$newline"
}
