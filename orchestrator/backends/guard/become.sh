# Runs ROOT_PART (and hands it WORKER_PART, where there is one) as root, by run_as_root of the probe's sudo.sh.
# Arguments: mode of sudo, nonce=NONCE, then the others of the root part, which gets nonce=NONCE, too.
# shellcheck shell=sh disable=SC2154
become() {
    [ "$#" -gt 1 ] || exit 64
    mode=$1
    shift
    nonce=${1#nonce=}
    # The fleet that is simulated on one machine says by this variable where each host's files are.
    root=${PATCHWAVE_ROOT:-}
    set_up
    [ -z "$WORKER_PART" ] || set -- "$WORKER_PART" "$@"
    # sudo resets the environment: the prefix goes as an argument.
    run_as_root "$mode" "$nonce" "$ROOT_PART" patchwave "$@" "root=$root"
    # What is left on stdin is never a script: exit, so that this shell reads no further.
    case $how in
        none) exit 77 ;;
        missing) exit 78 ;;
        *) exit "$status" ;;
    esac
}

become "$@"
