#!/bin/sh
# pro: status --format json, as far as Livepatch goes.
# shellcheck disable=SC1091,SC2034,SC2154 # variables of those that are sourced
tool=canonical
. "${0%/*}/_tool"

main() {
  [ "$*" = 'status --format json' ] || {
    echo 'pro: only status --format json is simulated' >&2
    return 2
  }
  take_time
  find_licence
  attached=true expires=9999-12-31T00:00:00+00:00 entitled='"entitled": "yes", "status": "enabled", '
  case $licence in
    expired) expires=2024-02-29T23:59:59+00:00 ;;
    none) attached=false expires=n/a entitled='' ;;
  esac
  printf '{"_schema_version": "0.1", "attached": %s, "expires": "%s", "services": [' "$attached" "$expires"
  printf '{"available": "yes", %s"name": "livepatch", "warning": null}], "version": "35.1"}\n' "$entitled"
}

speak main "$@"
