#!/bin/sh
# uptrack-upgrade of Ksplice.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=ksplice
. "${0%/*}/_tool"
. "${0%/*}/_ksplice"
. "${0%/*}/_uptrack"

speak uptrack upgrade "$@"
