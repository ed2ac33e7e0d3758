# SUSE's actions: the live-patch package of the running kernel is installed at the version that is asked for, or the
# newest; its own script loads the module, and the kernel moves its tasks. klp goes back to the version before.
# shellcheck shell=sh disable=SC2154

# zypper's and rpm's words while another process has the package management, or the rpm database.
busy_words='system management is locked|waiting for .*lock|another (zypper|process)|database is locked'

apply() {
    check_boot || return
    check_kernel || return
    check_package || return
    check_programs || return
    set_deadline
    wait_for_others || return
    read_force || return
    before=$force
    if [ -n "$level" ] && [ "$before" = "$level" ]; then
        echo "in force already: $level"
        return "$EXIT_DONE"
    fi
    old_note=$(value_of "$root/var/lib/patchwave/suse/brought")
    note_brought "$package ${before:-none} ${level:-unknown}" || return
    install_package
    explain
    explained=$? ended=$status
    wait_for_kernel || {
        give_up_stalled
        return
    }
    read_force || return "$EXIT_TOOL_FAILED"
    if [ "$force" = "$before" ]; then
        # Nothing was brought: what an earlier attempt noted stays.
        note_brought "$old_note"
    else
        note_brought "$package ${before:-none} ${force:-none}"
    fi
    judge_force
}

# The package holds the module for one kernel: for another than the running one it would change nothing.
check_package() {
    wanted=kernel-livepatch-$(value_of "$root/proc/sys/kernel/osrelease" | tr . _)
    package=${package:-$wanted}
    [ "$package" = "$wanted" ] || {
        echo "$package has no live patches for the kernel $(value_of "$root/proc/sys/kernel/osrelease")"
        return "$EXIT_WRONG_BUILD"
    }
}

check_programs() {
    for program in klp zypper rpm; do
        has_tool "$program" || {
            echo "$program is not on this host"
            return "$EXIT_TOOL_MISSING"
        }
    done
}

# The version in force, by sysfs: the newest patch that is enabled and moves no tasks any more, and that klp says is of
# this package. Empty where there is none, or only the initial one, which fixes nothing.
read_force() {
    force=''
    run_tool klp -v patches || {
        echo "which live patch is in force could not be told"
        return "$EXIT_TOOL_FAILED"
    }
    for patch in "$root"/sys/kernel/livepatch/*/; do
        patch=${patch%/}
        if [ "$(value_of "$patch/enabled")" = 1 ] && [ "$(value_of "$patch/transition")" != 1 ]; then
            # The package that klp names in that patch's block.
            found=$(tool_said | awk -v module="${patch##*/}" -v package="$package-" '
                /^[^[:space:]]/ { here = ($1 == module) }
                here && $1 == "RPM:" && index($2, package) == 1 {
                    sub(/[.][^.]*$/, "", $2)
                    print substr($2, length(package) + 1)
                }')
            case $found in '' | 1-*) ;; *) force=$found ;; esac
        fi
    done
}

# Exactly what is asked for; nothing else is recommended along, and no problem solved by removing anything.
install_package() {
    run_unlocked "$busy_words" zypper --non-interactive install --no-recommends --no-force-resolution \
        "$package${level:+=$level}"
}

# The script of the package loads the module; the transition may take its time, up to the limit. None was under way
# before: it is of what we brought. Fails where it does not end.
wait_for_kernel() {
    set_deadline
    while other_in_transition; do
        is_late && return 1
        pause
    done
}

# Never forced: the kernel takes the patch back when the opposite is written (Documentation/livepatch).
give_up_stalled() {
    stalled=$other
    run_tool klp -v blocking
    echo "the transition of $stalled did not end within $limit s; it is reverted"
    echo 0 | call tee "$root/sys/kernel/livepatch/$stalled/enabled" >/dev/null
    wait_for_kernel || {
        echo "the transition of $stalled did not end within $limit s, and neither did its reversal"
        return "$EXIT_STALLED_NOT_REVERTED"
    }
    echo "the transition of $stalled did not end within $limit s and was reverted; $package stays installed"
    return "$EXIT_STALLED_REVERTED"
}

# One of our codes for what zypper said; to be returned where nothing was changed.
explain() {
    [ "$locked" = no ] || return "$EXIT_TOOL_LOCKED"
    [ "$timed_out" = no ] || return "$EXIT_TOOL_FAILED"
    case $status in
        7) return "$EXIT_TOOL_LOCKED" ;;
        5) return "$EXIT_NEEDS_ROOT" ;;
        6) return "$EXIT_UNLICENSED" ;;
        104) return "$EXIT_NOTHING_OFFERED" ;;
        127) return "$EXIT_TOOL_MISSING" ;;
    esac
    if tool_says 'no provider of|not found in package names|nothing provides'; then return "$EXIT_NOTHING_OFFERED"; fi
    if tool_says 'authentication (is )?required|valid subscription|error code: 40[13]|not registered'; then
        return "$EXIT_UNLICENSED"
    fi
    if tool_says 'no space left|insufficient disk space|not enough disk space'; then return "$EXIT_DISK_FULL"; fi
    if tool_says 'could not resolve|connection (failed|refused|timed out)|timeout exceeded|download .*error|curl error'; then
        return "$EXIT_TOOL_NETWORK"
    fi
    return "$EXIT_TOOL_FAILED"
}

# What is in force decides, not what zypper said: its codes above 99 tell of other things, 107 of a script that failed.
judge_force() {
    echo "in force: ${force:-no live patch}"
    if [ -n "$level" ]; then
        [ "$force" != "$level" ] || return "$EXIT_DONE"
    else
        [ -z "$force" ] || [ "$force" = "$before" ] || return "$EXIT_DONE"
    fi
    if [ "$force" != "$before" ]; then return "$EXIT_TOOL_FAILED"; fi
    is_installed && {
        echo "$package$( [ -z "$level" ] || echo " $level") is installed, and not in force"
        return "$EXIT_TOOL_FAILED"
    }
    # 106: a repository was skipped; where it says why, that may be why nothing came of it.
    case $ended:$explained in
        0:* | 10[23]:* | "106:$EXIT_TOOL_FAILED") ;;
        *)
            echo "nothing was changed; zypper: exit status $ended"
            return "$explained"
            ;;
    esac
    [ -z "$level" ] || {
        echo "$level was asked for, and ${force:-no live patch} was left as it is"
        return "$EXIT_OTHER_LEVEL"
    }
    [ -n "$force" ] || return "$EXIT_NOTHING_OFFERED"
    echo "nothing newer than $force is offered"
}

# Whether rpm has another version than the one in force: the one that is asked for, or any.
is_installed() {
    run_tool rpm -q --qf '%{VERSION}-%{RELEASE}\n' "$package"
    version=$(tool_said | sed -n '/^[0-9][A-Za-z0-9._+~]*-[A-Za-z0-9._+~]*$/p' | tail -n 1)
    case $version in '' | 1-*) return 1 ;; esac
    [ "$version" != "$force" ] && [ "$version" = "${level:-$version}" ]
}

# --- revert --------------------------------------------------------------------------------------------------------

# note_brought "PACKAGE BEFORE BROUGHT": on the disk, because the package brings its module back after a reboot.
note_brought() {
    notes=$root/var/lib/patchwave/suse
    mkdir -p "$notes" && chmod 0700 "${notes%/*}" "$notes" && put "$notes/brought" "$1" \
        && to_disk "$notes/brought" "$notes" && return 0
    echo "what is brought could not be noted below $notes; nothing was changed"
    return "$EXIT_DISK_FULL"
}

# Back to what was in force before we brought what is; klp goes from one version to the one before it.
revert() {
    package=''
    check_package || return
    check_programs || return
    set_deadline
    wait_for_others || return
    read_force || return
    before=$force
    if [ -z "$before" ]; then
        echo "no live patch is in force"
        return "$EXIT_DONE"
    fi
    is_brought || {
        echo "$before is in force, and patchwave did not bring it"
        return "$EXIT_FOREIGN_PATCH"
    }
    tries=0
    until [ -z "$force" ] || [ "$force" = "$target" ]; do
        tries=$((tries + 1))
        [ "$tries" -le 30 ] || break
        go_back || return
    done
    rm -f "$root/var/lib/patchwave/suse/brought"
    echo "in force: ${force:-no live patch}, before $before"
}

# Whether what is in force is what we brought; in target what was in force before it.
is_brought() {
    # shellcheck disable=SC2046
    set -- $(value_of "$root/var/lib/patchwave/suse/brought")
    [ "$#" -eq 3 ] && [ "$1" = "$package" ] && [ "$2" != "$force" ] || return
    target=$2
    [ -z "$level" ] || [ "$level" = "$force" ] || return
    [ "$3" = "$force" ] || [ "$3" = unknown ]
}

go_back() {
    from=$force
    run_unlocked "$busy_words" klp -n downgrade
    explain
    explained=$? ended=$status
    tool_says 'no (previous|older|other) (version|live patch|patch)|nothing to (do|downgrade)' && explained=$EXIT_NO_ROLLBACK
    wait_for_kernel || {
        echo "the transition of $other did not end within $limit s"
        return "$EXIT_REVERT_STALLED"
    }
    read_force || return "$EXIT_TOOL_FAILED"
    [ "$force" = "$from" ] || return 0
    echo "klp could not go back from $from"
    [ "$from" = "$before" ] || return "$EXIT_TOOL_FAILED"
    [ "$ended" -ne 0 ] || return "$EXIT_NO_ROLLBACK"
    return "$explained"
}
