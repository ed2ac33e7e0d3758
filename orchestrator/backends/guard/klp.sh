# What the kernel says of its live patches, and how one module's patch is taken out of force. Needs guard/actions.sh.
# shellcheck shell=sh disable=SC2154

# The module's folders in sysfs.
name_module() {
    live=$root/sys/kernel/livepatch/$name
    module_folder=$root/sys/module/$name
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

# The last look before the kernel is touched: this release, this very build of it.
check_host() {
    [ -d "$root/sys/kernel/livepatch" ] || {
        echo "the kernel has no live-patch support"
        return "$EXIT_LIVEPATCH_UNSUPPORTED"
    }
    check_kernel || return
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
