# The actions of a tool that exists nowhere: made, whose agent reads /etc/made.conf.
# shellcheck shell=sh disable=SC2154

apply() {
    check_boot || return
    check_kernel || return
    set_deadline
    wait_for_others || return
    has_tool made || return "$EXIT_TOOL_MISSING"
    run_unlocked 'is locked by' made put "$package" "$level" "$setting" && return "$EXIT_DONE"
    [ "$locked" = no ] || return "$EXIT_TOOL_LOCKED"
    [ "$status" != 3 ] || return "$EXIT_UNLICENSED"
    ! tool_says 'no route|unreachable' || return "$EXIT_TOOL_NETWORK"
    return "$EXIT_TOOL_FAILED"
}

pin() {
    check_boot || return
    save_pin "$(cat "$root/etc/made.conf")" || return
    echo hold >"$root/etc/made.conf"
}

unpin() {
    before=$(saved_pin) || return "$EXIT_DONE"
    printf '%s\n' "$before" >"$root/etc/made.conf" || return "$EXIT_PIN_FAILED"
    forget_pin
}
