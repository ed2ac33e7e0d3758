# One attempt, detached: takes the lock, claims the attempt, does it, leaves its exit code, frees the lock.
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

# --- time ----------------------------------------------------------------------------------------------------------

# Fractions of a second are not POSIX, though GNU and busybox know them.
pause() {
    sleep 0.2 2>/dev/null || sleep 1
}

# Seconds that no change of the clock moves.
seconds() {
    line=$(value_of /proc/uptime)
    printf '%s\n' "${line%%.*}"
}

set_deadline() {
    deadline=$(($(seconds) + limit))
}

is_late() {
    [ "$(seconds)" -ge "$deadline" ]
}

# --- what the kernel says ------------------------------------------------------------------------------------------

hex_of() {
    od -An -v -tx1 "$1" 2>/dev/null | tr -d ' \n'
}

# The build id in a module's note: after the type (3, in either byte order) and the name (GNU).
build_of() {
    hex=$(hex_of "$root/sys/module/$1/notes/.note.gnu.build-id")
    id=${hex#*03474e5500}
    [ "$id" != "$hex" ] || id=${hex#*03000000474e5500}
    [ "$id" != "$hex" ] && printf '%s\n' "$id"
}

is_known() {
    [ -n "$1" ] || return 1
    case $known in *",$1,"*) return 0 ;; esac
    return 1
}

check_boot() {
    [ "$boot_now" = "$boot" ] || {
        echo "the host rebooted: boot id $boot_now, the attempt was meant for $boot"
        return "$EXIT_WRONG_BOOT"
    }
}

# The last look before the kernel is touched: this release, this very build of it.
check_host() {
    [ -d "$root/sys/kernel/livepatch" ] || {
        echo "the kernel has no live-patch support"
        return "$EXIT_LIVEPATCH_UNSUPPORTED"
    }
    running=$(value_of "$root/proc/sys/kernel/osrelease")
    [ "$running" = "$release" ] || {
        echo "the kernel is $running, the module is for $release"
        return "$EXIT_WRONG_BUILD"
    }
    hex=$(hex_of "$root/sys/kernel/notes")
    case $hex in
        *"03000000474e5500$kernel_build"* | *"00000003474e5500$kernel_build"*) ;;
        *03000000474e5500* | *00000003474e5500*)
            echo "the kernel's build id is not $kernel_build"
            return "$EXIT_WRONG_BUILD"
            ;;
        *)
            echo "the kernel's build id cannot be read"
            return "$EXIT_BUILD_UNREADABLE"
            ;;
    esac
}

# The name of another patch in transition, if there is one. Old kernels have no such file, and no transition.
other_in_transition() {
    for file in "$root"/sys/kernel/livepatch/*/transition; do
        other=${file%/transition}
        other=${other##*/}
        [ "$other" != "$name" ] && [ "$(value_of "$file")" = 1 ] && return 0
    done
    return 1
}

wait_for_others() {
    while other_in_transition; do
        is_late && {
            echo "$other stayed in transition for the whole limit of $limit s"
            return "$EXIT_TRANSITION_UNDER_WAY"
        }
        pause
    done
}

# Where the patch would replace all others, each of them must be one that our catalogue knows.
check_replaced() {
    [ "$replaces" = yes ] || return 0
    for other in "$root"/sys/kernel/livepatch/*/; do
        [ -d "$other" ] || continue
        other=${other%/}
        other=${other##*/}
        id=$(build_of "$other")
        [ "$id" = "$build" ] || is_known "$id" || {
            echo "$other is live, not from our catalogue, and would be replaced"
            return "$EXIT_FOREIGN_PATCH"
        }
    done
}

is_live() {
    [ -d "$live" ]
}

is_enabled() {
    [ "$(value_of "$live/enabled")" = 1 ]
}

is_moving() {
    [ "$(value_of "$live/transition")" = 1 ]
}

# --- what blocks a transition --------------------------------------------------------------------------------------

# report_task FOLDER: its pid, name and stack, bounded.
report_task() {
    echo "blocking ${1##*/} $(value_of "$1/comm")"
    head -n 24 "$1/stack" 2>/dev/null | cut -c 1-160 | sed 's/^/stack /'
}

# While patching, those that stay in state 0; while unpatching, those that stay in 1. At most 20 are named.
report_blocking() {
    is_enabled && staying=0 || staying=1
    named=0
    for task in "$root"/proc/[0-9]*/task/[0-9]*; do
        [ "$(value_of "$task/patch_state")" = "$staying" ] || continue
        [ "$named" -lt 20 ] && report_task "$task"
        named=$((named + 1))
    done
    echo "blocking tasks in all: $named"
}

# --- taking a patch out --------------------------------------------------------------------------------------------

# Whether a write took is told by reading back: not every tee reports what the kernel answered to it.
disable() {
    { printf 0 | call tee "$live/enabled" >/dev/null; } 2>&1
}

# Fails when the patch is not out of force, its transition over, by the deadline. A patch that is out vanishes from
# sysfs since 5.1; before that it stays, disabled.
take_out() {
    while is_live; do
        if is_enabled; then
            disable
        elif ! is_moving; then
            return 0
        fi
        is_live || return 0
        is_late && return 1
        pause
    done
}

# The module is in use until the kernel has let go of the patch: that takes a moment after the transition.
remove_module() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
        [ -d "$module_folder" ] || return 0
        said=$(call rmmod "$name" 2>&1 </dev/null) && return 0
        pause
    done
    echo "rmmod $name: $said"
    return 1
}

# --- apply ---------------------------------------------------------------------------------------------------------

# Makes room for the module's name. Sets adopted=yes where this very module is live and enabled already.
clear_name() {
    adopted=no
    [ -d "$module_folder" ] || return 0
    present=$(build_of "$name")
    if is_live; then
        [ "$present" = "$build" ] || {
            echo "another module is live under the name $name: build id ${present:-unreadable}"
            return "$EXIT_FOREIGN_PATCH"
        }
        is_enabled && adopted=yes && return 0
        take_out || return "$EXIT_TRANSITION_UNDER_WAY"
    elif [ "$present" != "$build" ] && ! is_known "$present"; then
        echo "another module is loaded under the name $name: build id ${present:-unreadable}"
        return "$EXIT_FOREIGN_PATCH"
    fi
    echo "removing the disabled module $name before it is inserted again"
    remove_module || return "$EXIT_MODULE_STAYS"
}

# The words of insmod: kmod prints strerror(3), busybox some of its own.
explain_insert() {
    case $said in
        *"Key was rejected"* | *"equired key not available"*) return "$EXIT_SIGNATURE_REQUIRED" ;;
        *"Operation not permitted"*) explain_permission ;;
        *"nvalid module format"* | *"wrong symbol version"*) return "$EXIT_MODULE_FORMAT" ;;
        *"File exists"*) return "$EXIT_MODULE_EXISTS" ;;
        *"Device or resource busy"*) return "$EXIT_BUSY" ;;
        *) return "$EXIT_INSERT_FAILED" ;;
    esac
}

# EPERM has many causes; what can be told of them is put behind the words of insmod.
explain_permission() {
    if [ "$(value_of "$root/proc/sys/kernel/modules_disabled")" = 1 ]; then
        said="$said (kernel.modules_disabled is 1: no module goes in until a reboot)"
        return "$EXIT_INSERT_FAILED"
    fi
    if lacks_module_capability; then
        said="$said (root here has no CAP_SYS_MODULE)"
        return "$EXIT_NEEDS_ROOT"
    fi
    case $(value_of "$root/sys/kernel/security/lockdown") in
        *'[integrity]'* | *'[confidentiality]'*) said="$said (the kernel is locked down)" ;;
    esac
    return "$EXIT_INSERT_FAILED"
}

# CAP_SYS_MODULE is bit 16: the lowest of the fifth hex digit from the right (capability.h, proc(5)).
lacks_module_capability() {
    caps=$(sed -n 's/^CapEff:[^0-9a-f]*\([0-9a-f]*\)$/\1/p' "$root/proc/self/status" 2>/dev/null)
    case $caps in
        *[02468ace]????) return 0 ;;
        *) return 1 ;;
    esac
}

# Busy: another transition started since we looked. The module was not loaded; wait and try again.
insert() {
    until said=$(call insmod "$folder/module.ko" 2>&1 </dev/null); do
        explain_insert
        explained=$?
        if [ "$explained" != "$EXIT_BUSY" ] || is_late; then
            printf '%s\n' "$said" | tail -n 5 | cut -c 1-300
            return "$explained"
        fi
        pause
    done
    echo "inserted $name"
}

# In force: enabled, and its transition over.
wait_in_force() {
    while is_live && is_enabled; do
        is_moving || return 0
        is_late && return "$EXIT_STALLED_REVERTED"
        pause
    done
    echo "$name is loaded, but not enabled"
    return "$EXIT_NOT_LIVE"
}

give_up_stalled() {
    echo "the transition of $name did not end within $limit s"
    report_blocking
    echo "reverting"
    set_deadline
    if take_out; then
        remove_module
        echo "reverted"
        return "$EXIT_STALLED_REVERTED"
    fi
    report_blocking
    return "$EXIT_STALLED_NOT_REVERTED"
}

apply() {
    check_boot || return
    check_host || return
    set_deadline
    wait_for_others || return
    check_replaced || return
    clear_name || return
    if [ "$adopted" = no ]; then
        insert || return
    fi
    set_deadline
    wait_in_force
    waited=$?
    [ "$waited" = "$EXIT_STALLED_REVERTED" ] || return "$waited"
    give_up_stalled
}

# --- revert --------------------------------------------------------------------------------------------------------

# Out of whatever boot and kernel it finds: the module's own build id says that it is the one. What persist installed
# goes first: a reboot in between must not bring the patch back, be it into another kernel first.
revert() {
    if [ -d "$module_folder" ] && [ "$(build_of "$name")" != "$build" ]; then
        echo "another module is loaded under the name $name"
        return "$EXIT_FOREIGN_PATCH"
    fi
    remove_persisted
    unpersisted=$?
    set_deadline
    wait_for_others || return
    if ! take_out; then
        echo "the transition of $name out of force did not end within $limit s"
        report_blocking
        return "$EXIT_REVERT_STALLED"
    fi
    remove_module || return "$EXIT_MODULE_STAYS"
    return "$unpersisted"
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
    live=$root/sys/kernel/livepatch/$name
    module_folder=$root/sys/module/$name
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
