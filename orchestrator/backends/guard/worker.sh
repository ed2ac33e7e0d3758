# One attempt, detached: takes the lock, claims the attempt, does it, leaves its exit code, frees the lock.
#
# What it does is told by the tool's actions, a constant file TOOL/actions.sh that is sent before this one and defines any
# of the functions apply, revert, persist, pin and unpin; what it does not define ends with EXIT_USAGE.
#
# An action returns one of the EXIT_ codes of guard/common.sh and never calls exit. Those that mean "refused" (REFUSALS in
# exits.py) are for when nothing was changed; else EXIT_TOOL_FAILED, and the check that follows decides. A tool's own
# status is never returned: it would be read as one of ours. The last line that it prints is what a person sees first.
#
# It may use, of the order: $package, $level (what is to be in force afterwards; empty: the newest), $setting, $release,
# $limit (seconds), $tool (TOOL), $attempt, $controller; and for klp's orders $name, $build, $folder/module.ko.
# Of guard/common.sh: $root before every path, call, value_of FILE, put FILE LINE, seconds.
# Of guard/actions.sh: check_boot, check_kernel, set_deadline and is_late, pause, wait_for_others (after set_deadline),
# other_in_transition, to_disk. Each check_ prints why and returns the code: "check_boot || return".
# Of guard/tool.sh: has_tool PROGRAM; run_tool PROGRAM ARGUMENT..., then $status, $timed_out, tool_said and
# tool_says PATTERN; run_unlocked PATTERN PROGRAM ARGUMENT..., then $locked, too. A vendor's program may hang whatever it
# is asked, so it always goes through run_tool; call is for the host's own small ones.
# Of guard/pins.sh: save_pin SETTING || return, saved_pin, forget_pin || return. pin saves before it changes anything;
# unpin puts saved_pin back and then forgets it; without one there is nothing to put back: EXIT_DONE.
# A setting holds any printable character: never put it into a pattern of sed.
# No variable is local: those of these files (tool_..., pin..., line, file, other, kept, called, deadline, locked, status,
# timed_out) are theirs, and so are the names of their functions. A test compares them.
# shellcheck shell=sh disable=SC2154

# --- the lock ------------------------------------------------------------------------------------------------------

# A lock is a folder that is made and filled under a name of its own and then renamed, so that it never stands there
# without its owner's name. Where another lock stands already, mv puts the claim into it, or fails: either way the
# name in the lock is not ours.
claim_lock() {
    claim=$run/claim.$nonce
    rm -rf "$claim"
    mkdir "$claim" && sign_owner "$claim" || return 2
    mv "$claim" "$run/lock" 2>/dev/null
    [ "$(value_of "$run/lock/id")" = "$nonce" ] && return 0
    rm -rf "$claim" "$run/lock/claim.$nonce"
    return 1
}

# A dead owner's lock may be put aside by exactly one heir: whoever makes the symbolic link named after the lock's
# id. An heir that died is followed by the heir of its own id. Fails when somebody else is at it.
inherit() {
    dead=$1
    until ln -s "$$:$(started_at "$$"):$nonce" "$run/heir.$dead" 2>/dev/null; do
        heir=$(readlink "$run/heir.$dead") || return 1
        heir_start=${heir#*:}
        is_alive "${heir%%:*}" "${heir_start%%:*}" "$boot_now" && return 1
        dead=${heir##*:}
    done
}

take_over() {
    old=$(value_of "$run/lock/id")
    is_word "$old" && inherit "$old" || return 0
    # The dead lock may have given way to a living one since the caller looked.
    if ! owner_lives "$run/lock" && [ "$(value_of "$run/lock/id")" = "$old" ]; then
        mv "$run/lock" "$run/gone.$nonce" && rm -rf "$run/gone.$nonce"
    fi
    rm -f "$run/heir.$old" "$run/heir.$dead"
}

# Sets holder and holder_attempt when it fails for them.
take_lock() {
    tries=0
    until claim_lock; do
        # The claim could not even be written.
        [ -d "$run/lock" ] || [ "$tries" -lt 5 ] || return 2
        if owner_lives "$run/lock"; then
            holder_attempt=$(value_of "$run/lock/attempt")
            holder="$(value_of "$run/lock/controller") $holder_attempt"
            # It may have been freed between the two looks.
            [ -z "$holder_attempt" ] || return 1
        else
            take_over
        fi
        tries=$((tries + 1))
        [ "$tries" -lt 50 ] || return 2
        [ "$tries" -lt 3 ] || pause
    done
}

free_lock() {
    [ "$(value_of "$run/lock/id")" = "$nonce" ] || return 0
    mv "$run/lock" "$run/gone.$nonce" && rm -rf "$run/gone.$nonce"
}

# --- the attempt ---------------------------------------------------------------------------------------------------

# The newest 20 are kept (their ids sort by time): more than any controller may have open on one host.
remove_old_attempts() {
    set -- "$run"/*/rc
    while [ "$#" -gt 20 ]; do
        rm -rf "${1%/rc}"
        shift
    done
}

# The attempt's folder appears whole, under the lock; what a killed worker left half made goes. Fails without room.
claim_attempt() {
    remove_old_attempts
    rm -rf "$run"/new.*
    new=$run/new.$nonce
    mkdir "$new" && sign_owner "$new" && put "$new/action" "$action" && : >"$new/output" || return
    if [ "$size" -gt 0 ]; then
        mv "$run/upload.$attempt.$nonce/module.ko" "$new/module.ko" || return
    fi
    mv "$new" "$folder"
}

finish() {
    rm -f "$folder/module.ko" "$folder/rule" "$folder/list"
    put "$folder/rc" "$1"
    free_lock
}

do_attempt() {
    case $action in
        apply) apply ;;
        revert) revert ;;
        persist) persist ;;
        pin) pin ;;
        unpin) unpin ;;
        *) return "$EXIT_USAGE" ;;
    esac
}

say_refused() {
    rm -rf "$run/new.$nonce" "$run/claim.$nonce"
    free_lock
    echo "refused $1 $2"
    exit 0
}

guard_worker() {
    read_arguments "$@"
    trap '' HUP INT PIPE
    take_lock 2>/dev/null
    case $? in
        1)
            # Another start of this very attempt was first: the starter looks and tells how far it is.
            [ "$holder_attempt" != "$attempt" ] || exit 0
            say_refused "$EXIT_LOCKED" "$holder"
            ;;
        2) say_refused "$EXIT_DISK_FULL" "the lock below $run could not be written" ;;
    esac
    look
    case $state in running | finished | died)
        free_lock
        exit 0
        ;;
    esac
    claim_attempt 2>/dev/null || say_refused "$EXIT_DISK_FULL" "cannot write below $run"
    echo started
    # Letting go of the pipe tells the starter that the attempt has been claimed.
    exec >>"$folder/output" 2>&1
    do_attempt
    finish "$?"
}

guard_worker "$@"
