# Says what became of an attempt. Changes nothing.
# shellcheck shell=sh disable=SC2154
guard_status() {
    read_arguments "$@"
    if [ "$(call id -u)" = 0 ]; then
        answer_state
    else
        answer refused "$EXIT_NEEDS_ROOT" "not root"
    fi
    exit 0
}

guard_status "$@"
