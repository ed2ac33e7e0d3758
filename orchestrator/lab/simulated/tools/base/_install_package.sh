#!/bin/sh
# _install_package NAME VERSION: what an administrator does with apt, dnf, zypper or apk.
# shellcheck source=/dev/null
. "${0%/*}/_packages"

add_package "$@"
