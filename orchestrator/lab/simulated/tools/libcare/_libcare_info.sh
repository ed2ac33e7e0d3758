#!/bin/sh
# What kcarectl asks of LibCare: a JSON object for each process.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=libcare
. "${0%/*}/_tool"
. "${0%/*}/_libcare"

main() {
  print_libraries '\n{"pid": %s, "comm": "%s"' ', "%s": {"buildid": "%s", "patchlvl": %s}' | sed -n '/^{/s/$/}/p'
}

main
