#!/bin/sh
# Who the command runs as. Usage: id [-u|-un]
case ${1:-} in
  -u) echo "${SIMULATED_UID:-0}" ;;
  -un) echo "${SIMULATED_USER:-root}" ;;
  *) echo "uid=${SIMULATED_UID:-0}(${SIMULATED_USER:-root}) gid=${SIMULATED_UID:-0}(${SIMULATED_USER:-root})" ;;
esac
