#!/bin/sh
# The packages of live patches bring themselves into every process.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=libpulp
. "${0%/*}/_tool"

tell_truth 'patch libcrypto.so.1.1.1l libcrypto_livepatch2'
