# What the actions of every tool may use. An actions file that is sent behind this one defines those that its tool has.
# shellcheck shell=sh disable=SC2154

apply() { return "$EXIT_USAGE"; }
revert() { return "$EXIT_USAGE"; }
persist() { return "$EXIT_USAGE"; }
pin() { return "$EXIT_USAGE"; }
unpin() { return "$EXIT_USAGE"; }

# Fractions of a second are not POSIX, though GNU and busybox know them.
pause() {
    sleep 0.2 2>/dev/null || sleep 1
}

set_deadline() {
    deadline=$(($(seconds) + limit))
}

is_late() {
    [ "$(seconds)" -ge "$deadline" ]
}

check_boot() {
    [ "$boot_now" = "$boot" ] || {
        echo "the host rebooted: boot id $boot_now, the attempt was meant for $boot"
        return "$EXIT_WRONG_BOOT"
    }
}

# The running release is the one that the order names, where it names one.
check_kernel() {
    release_now=$(value_of "$root/proc/sys/kernel/osrelease")
    [ -z "$release" ] || [ "$release_now" = "$release" ] || {
        echo "the kernel is $release_now, the attempt was meant for $release"
        return "$EXIT_WRONG_BUILD"
    }
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

# to_disk FILE...: these alone. Without a name sync would wait for every file system, also one that hangs.
to_disk() {
    for kept in "$@"; do
        [ ! -e "$kept" ] || sync "$kept" </dev/null || return
    done
}
