# Runs ROOT_PART (and hands it WORKER_PART, where there is one) as root: directly, or through one call of sudo.
# Arguments: mode of sudo (password, nopassword, never), the prompt's nonce, then those of the root part.
# shellcheck shell=sh disable=SC2154
become() {
    [ "$#" -gt 2 ] || exit 64
    mode=$1
    prompt=$2
    shift 2
    # The fleet that is simulated on one machine says by this variable where each host's files are.
    stand_ins=${PATCHWAVE_ROOT:-}
    PATH="${stand_ins:+$stand_ins/stand-ins:}/usr/sbin:/usr/bin:/sbin:/bin"
    LC_ALL=C
    export PATH LC_ALL
    umask 077
    [ -z "$WORKER_PART" ] || set -- "$WORKER_PART" "$@"
    # sudo resets the environment: the prefix goes as an argument.
    set -- "$@" "root=$stand_ins"
    # By path: busybox's shell may prefer its own applets to PATH.
    programs=${stand_ins:+$stand_ins/stand-ins/}
    # What is left on stdin is never a script: exec or exit, so that this shell reads no further.
    if [ "$("${programs}id" -u)" = 0 ]; then
        exec sh -c "$ROOT_PART" patchwave "$@"
    fi
    case $mode in
        password) exec "${programs}sudo" -S -p "$prompt" -- sh -c "$ROOT_PART" patchwave "$@" ;;
        nopassword) exec "${programs}sudo" -n -- sh -c "$ROOT_PART" patchwave "$@" ;;
        *)
            echo "patchwave: root is needed, and become is switched off for this host" >&2
            exit 77
            ;;
    esac
}

become "$@"
