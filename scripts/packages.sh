#!/bin/sh
# Installs the Debian packages that the test suite uses, as root on Debian or Ubuntu; elsewhere it names what is missing.
set -eu

# program:package, as tests/needs.py has them
NEEDED="sshd:openssh-server ssh:openssh-client sudo:sudo dash:dash busybox:busybox-static bash:bash
qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils debootstrap:debootstrap mke2fs:e2fsprogs depmod:kmod
cpio:cpio make:make gcc:gcc postgres:postgresql setsid:util-linux ip:iproute2 xz:xz-utils zstd:zstd lz4:lz4
ssh-keygen:openssh-client strip:binutils shellcheck:shellcheck useradd:passwd mount:mount runuser:util-linux
dpkg-query:dpkg ps:procps"

is_there() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 && return 0
    for folder in /usr/lib/postgresql/*/bin; do
        [ -x "$folder/$1" ] && return 0
    done
    return 1
}

main() {
    missing=""
    for pair in $NEEDED; do
        is_there "${pair%%:*}" || missing="$missing ${pair#*:}"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing:$missing" >&2
        DEBIAN_FRONTEND=noninteractive apt-get -qq update
        # shellcheck disable=SC2086  # a list of package names
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing >/dev/null
    else
        echo "missing, so the tests that need them are skipped by name:$missing" >&2
    fi
}

main "$@"
