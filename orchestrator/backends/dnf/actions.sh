# dnf's actions: the live-patch package of the running kernel is installed at the version that is asked for, or the newest;
# its own script loads the module. Neither Red Hat nor Amazon supports taking one out again.
# shellcheck shell=sh disable=SC2154

# What dnf, yum and rpm say while another process has the package manager's lock.
busy_words='already locked by|another copy is running|holding the (yum|dnf) lock|waiting for process with pid|exit_on_lock|transaction lock|failed to obtain.* lock|[.]rpm[.]lock'

apply() {
    check_boot || return
    check_kernel || return
    check_package || return
    find_program || return
    set_deadline
    wait_for_others || return
    read_version || return
    before=$now
    if [ -n "$level" ] && [ "$before" = "$level" ]; then
        echo "$package $level is installed already"
        return "$EXIT_DONE"
    fi
    install_package
    explain_failure
    failure=$?
    ended=$(report_status "$program")
    read_version || return "$EXIT_TOOL_FAILED"
    judge_version
}

revert() {
    echo "unloading what a live-patch package brought is not supported: a reboot without the package ends it"
    return "$EXIT_NO_ROLLBACK"
}

# The package holds modules for one kernel: for another than the running one it would change nothing.
check_package() {
    running=$(value_of "$root/proc/sys/kernel/osrelease")
    case $running in
        *-*.el[0-9]*) wanted=kpatch-patch-$(printf '%s' "${running%.el[0-9]*}" | tr . _) ;;
        *-*.amzn[0-9]*) wanted=kernel-livepatch-${running%.amzn[0-9]*} ;;
        *) wanted='' ;;
    esac
    package=${package:-$wanted}
    if [ -z "$wanted" ] || [ "$package" != "$wanted" ]; then
        echo "${package:-no package} has no live patches for the kernel $running"
        return "$EXIT_WRONG_BUILD"
    fi
}

# Amazon Linux 2 may have dnf, too; its repositories are yum's.
find_program() {
    programs='dnf5 dnf yum'
    case $running in *.amzn2.*) programs=yum ;; esac
    for program in $programs; do
        has_tool "$program" && return 0
    done
    echo "neither dnf nor yum is on this host"
    return "$EXIT_TOOL_MISSING"
}

# The installed version, without an epoch that is none, in $now; empty where the package is not installed.
read_version() {
    now=''
    if run_tool rpm -q --qf '%{EPOCH}:%{VERSION}-%{RELEASE}\n' "$package"; then
        now=$(tool_said | grep -E '^([0-9]+|[(]none[)]):[^[:space:]]+$' | tail -n 1)
        now=${now#(none):}
        now=${now#0:}
        [ -z "$now" ] || return 0
    elif tool_says "^package $package is not installed$"; then
        return 0
    fi
    echo "which version of $package is installed could not be told"
    return "$EXIT_TOOL_FAILED"
}

# What is installed is upgraded: install would also go down to an older version, upgrade never does.
install_package() {
    verb=install
    [ -z "$before" ] || verb=upgrade
    [ "$program $verb" != 'yum upgrade' ] || verb=update
    case $program in
        dnf5) run_unlocked "$busy_words" dnf5 -y "$verb" "$package${level:+-$level}" ;;
        *) run_unlocked "$busy_words" "$program" -y --setopt=exit_on_lock=True "$verb" "$package${level:+-$level}" ;;
    esac
}

# One of our codes for what the program said; to be returned where nothing was changed.
explain_failure() {
    [ "$status" -ne 0 ] || {
        # A module that did not get in is a warning to rpm.
        tool_says 'scriptlet failed' && return "$EXIT_TOOL_FAILED"
        return "$EXIT_DONE"
    }
    [ "$locked" = no ] || return "$EXIT_TOOL_LOCKED"
    [ "$timed_out" = no ] || return "$EXIT_TOOL_FAILED"
    [ "$status" != 127 ] || return "$EXIT_TOOL_MISSING"
    tool_says 'no space left|more space needed|insufficient space|disk requirements' && return "$EXIT_DISK_FULL"
    tool_says 'could not resolve|curl error|failed to download metadata|cannot download|no more mirrors|cannot find a valid baseurl|cannot retrieve (repository|metalink)' \
        && return "$EXIT_TOOL_NETWORK"
    tool_says 'not registered|unable to read consumer identity|not receiving updates|no valid subscription' \
        && return "$EXIT_UNLICENSED"
    tool_says 'no match for argument|unable to find a match|no package .*available|nothing to do|no packages marked' \
        && return "$EXIT_NOTHING_OFFERED"
    return "$EXIT_TOOL_FAILED"
}

# What rpm has now decides, not what the program said of it.
judge_version() {
    if [ "$now" = "$before" ]; then
        judge_unchanged
        return
    fi
    [ "$failure" = "$EXIT_DONE" ] || echo "$ended"
    echo "$package ${now:-is gone}${before:+, before $before}"
    [ "$failure" = "$EXIT_DONE" ] && [ -n "$now" ] && [ "$now" = "${level:-$now}" ] || return "$EXIT_TOOL_FAILED"
}

judge_unchanged() {
    if [ "$failure" != "$EXIT_DONE" ]; then
        echo "$ended"
        return "$failure"
    elif [ -z "$now" ]; then
        echo "$package${level:+ $level} is not offered"
        return "$EXIT_NOTHING_OFFERED"
    elif [ -n "$level" ]; then
        echo "$package $now is installed, not $level, and was left as it is"
        return "$EXIT_OTHER_LEVEL"
    fi
    echo "$package $now is the newest that is offered"
}
