# Ksplice's actions. Its updates come all together or not at all, so a level is reached only where the tool is about to
# put exactly that in force; what it would do is asked first. Its exit codes are its own (Uptrack.py, ERROR_...).
# shellcheck shell=sh disable=SC2154

lock_words='another Uptrack process'

# --- what it is asked ----------------------------------------------------------------------------------------------

# uptrack OPTION VERB [ID...]: by the programs of the kernel's own client, or by the newer command for everything.
uptrack() {
    option=$1 verb=$2
    shift 2
    if has_tool "uptrack-$verb"; then
        run_unlocked "$lock_words" "uptrack-$verb" ${option:+"$option"} "$@"
    else
        run_unlocked "$lock_words" ksplice ${option:+"$option"} kernel "$verb" "$@"
    fi
}

check_tool() {
    has_tool uptrack-upgrade || has_tool ksplice || {
        echo "neither uptrack-upgrade nor ksplice is on this host"
        return "$EXIT_TOOL_MISSING"
    }
}

# The exit code for what the tool said last, where it changed nothing.
explain() {
    [ "$locked" = no ] || return "$EXIT_TOOL_LOCKED"
    case $status in
        10) return "$EXIT_TOOL_NETWORK" ;;
        13) return "$EXIT_NOTHING_OFFERED" ;;
        14 | 17 | 19 | 20) return "$EXIT_UNLICENSED" ;;
        127) return "$EXIT_TOOL_MISSING" ;;
    esac
    return "$EXIT_TOOL_FAILED"
}

# Sets installed: the ids in force, one a line, sorted.
read_installed() {
    installed=''
    if ! uptrack '' show; then
        # Before the client ever had this kernel's list nothing of it can have been installed.
        tool_says 'Unable to read the package list' && no_module && return 0
        explain
        return
    fi
    if ! tool_said | grep '^Installed updates:' >/dev/null; then
        echo "what is installed could not be understood"
        return "$EXIT_TOOL_FAILED"
    fi
    installed=$(tool_said | sed -n 's/^\[\([a-z0-9]\{4,32\}\)\] .*/\1/p' | sort -u)
}

no_module() {
    for module in "$root"/sys/module/ksplice_* "$root"/sys/kernel/ksplice/*; do
        [ ! -d "$module" ] || return
    done
}

# steps COMMAND: the ids that the tool said it would do that with.
steps() {
    tool_said | sed -n "s/^$1 \[\([a-z0-9]\{4,32\}\)\] .*/\1/p" | sort -u
}

# --- sets of ids: one a line, sorted -------------------------------------------------------------------------------

# The same word as level_of in answers.py makes.
level_of() {
    [ -n "$1" ] || return 0
    sum=$(printf '%s\n' "$1" | sha256sum)
    count=$(printf '%s\n' "$1" | wc -l)
    printf '%s-%.12s\n' "$((count))" "$sum"
}

# both SET SET: what is in both.
both() {
    for one in $1; do
        printf '%s\n' "$2" | grep -x "$one"
    done
}

# without SET SET: the first without what is in the second.
without() {
    for one in $1; do
        printf '%s\n' "$2" | grep -x "$one" >/dev/null || printf '%s\n' "$one"
    done
}

joined() {
    { [ -z "$1" ] || printf '%s\n' "$1"; [ -z "$2" ] || printf '%s\n' "$2"; } | sort -u
}

# --- what we brought -----------------------------------------------------------------------------------------------

# The ids that our applies put in force: on the disk, because Ksplice brings them back after a reboot.
brought() {
    { grep -x '[a-z0-9]\{4,32\}' "$root/var/lib/patchwave/ksplice/brought"; } 2>/dev/null
}

# note_brought SET: before they are put in force.
note_brought() {
    notes=$root/var/lib/patchwave/ksplice
    noted=$(joined "$(brought)" "$1")
    mkdir -p "$notes" && chmod 0700 "${notes%/*}" "$notes" \
        && put "$notes/brought" "$noted" && to_disk "$notes/brought" "$notes" && return 0
    echo "what is about to be put in force could not be noted below $notes; nothing was changed"
    return "$EXIT_DISK_FULL"
}

# --- apply ---------------------------------------------------------------------------------------------------------

apply() {
    check_boot || return
    check_kernel || return
    check_tool || return
    read_installed || return
    before=$installed
    if [ -n "$level" ] && [ "$(level_of "$before")" = "$level" ]; then
        echo "in force already: $level"
        return "$EXIT_DONE"
    fi
    plan_upgrade || return
    [ -n "$installs$removes" ] || return "$EXIT_DONE"
    note_brought "$installs" || return
    upgrade
}

# Sets installs and removes: what the newest level needs. Refuses where that is not the level that is asked for.
plan_upgrade() {
    uptrack -n upgrade || {
        explain
        return
    }
    installs=$(steps Install) removes=$(steps Remove)
    if [ -z "$installs$removes" ]; then
        tool_says '^Nothing to be done' || {
            echo "what is offered could not be understood"
            return "$EXIT_TOOL_FAILED"
        }
        [ -z "$level" ] || {
            echo "in force: $(level_of "$before"), and nothing else is offered; $level was asked for"
            return "$EXIT_OTHER_LEVEL"
        }
        echo "nothing newer is offered; in force: $(level_of "$before")"
        return 0
    fi
    planned=$(level_of "$(joined "$(without "$before" "$removes")" "$installs")")
    [ -z "$level" ] || [ "$planned" = "$level" ] || {
        echo "an upgrade would put $planned in force, and $level was asked for"
        return "$EXIT_NOTHING_OFFERED"
    }
}

upgrade() {
    uptrack -y upgrade
    explain
    explained=$?
    look_again || return
    if [ -z "$(without "$installs" "$installed")$(both "$removes" "$installed")" ]; then
        echo "in force: $(level_of "$installed")"
        return "$EXIT_DONE"
    fi
    [ "$installed" != "$before" ] || return "$explained"
    echo "not all of it was done; in force: $(level_of "$installed")"
    return "$EXIT_TOOL_FAILED"
}

# What is in force after something was changed, or may have been.
look_again() {
    if [ "$timed_out" = no ] && read_installed; then return 0; fi
    echo "what is in force now is not known"
    return "$EXIT_TOOL_FAILED"
}

# --- revert --------------------------------------------------------------------------------------------------------

# What we brought, and nothing else. Updates that ours took the place of do not come back.
revert() {
    check_tool || return
    read_installed || return
    before=$installed
    ours=$(both "$(brought)" "$before")
    if [ -z "$ours" ]; then
        [ -n "$before" ] || {
            echo "nothing is in force"
            return "$EXIT_DONE"
        }
        echo "none of the updates in force was brought by patchwave: $(level_of "$before") stays"
        return "$EXIT_FOREIGN_PATCH"
    fi
    if [ "$ours" = "$before" ]; then
        # With a saved plan: it needs no network, and no valid key either.
        set -- --all
    else
        # shellcheck disable=SC2086 # ids are words of letters and digits
        set -- $ours
        check_removal "$@" || return
    fi
    uptrack -y remove "$@"
    explain
    explained=$?
    look_again || return
    # By what is in force, not by the exit code: having removed all of them without network it ends with 10.
    if [ -z "$(both "$ours" "$installed")" ]; then
        rm -f "$root/var/lib/patchwave/ksplice/brought"
        echo "removed; in force: $(level_of "$installed" | grep . || echo nothing)"
        return "$EXIT_DONE"
    fi
    [ "$installed" != "$before" ] || return "$explained"
    echo "not all of it was removed; in force: $(level_of "$installed")"
    return "$EXIT_TOOL_FAILED"
}

# check_removal ID...: some depend on others, and the tool would remove those, too. Without confirmation it ends with 12.
check_removal() {
    uptrack -n remove "$@"
    if [ "$status" -ne 0 ] && [ "$status" -ne 12 ]; then
        explain
        return
    fi
    others=$(without "$(steps Remove)" "$ours")
    # shellcheck disable=SC2086 # ids are words of letters and digits
    [ -z "$others" ] || {
        echo "updates that patchwave did not bring would be removed, too:" $others
        return "$EXIT_FOREIGN_PATCH"
    }
}

# --- pin, unpin ----------------------------------------------------------------------------------------------------

# Both make the client install what is offered: from cron, and at the next boot. What install_on_reboot brings back is
# what was in force before, so that it stays as it is.
agent_settings='autoinstall upgrade_on_reboot'

pin() {
    check_boot || return
    conf=$root/etc/uptrack/uptrack.conf
    saved=''
    for key in $agent_settings; do
        read_setting "$key" || return
        saved="$saved${saved:+ }$key=$found"
    done
    save_pin "$saved" || return
    for key in $agent_settings; do
        read_setting "$key" || return
        case $found in - | no) ;; *) write_setting "$key" no || return ;; esac
    done
    echo "pinned: $(saved_pin)"
}

unpin() {
    conf=$root/etc/uptrack/uptrack.conf
    saved=$(saved_pin) || return "$EXIT_DONE"
    for word in $saved; do
        key=${word%%=*} value=${word#*=}
        case " $agent_settings " in *" $key "*) ;; *) continue ;; esac
        read_setting "$key" || return
        # Somebody else's change since then is theirs to keep.
        [ "$found" = no ] || continue
        case $value in - | no | '' | *[!A-Za-z0-9]*) ;; *) write_setting "$key" "$value" || return ;; esac
    done
    forget_pin
}

# read_setting KEY: in found its value, "-" where it is not set, which means no.
read_setting() {
    [ -r "$conf" ] || {
        echo "$conf cannot be read"
        return "$EXIT_PIN_FAILED"
    }
    lines=$(sed -n "s/^$1[[:blank:]]*[=:][[:blank:]]*//p" "$conf")
    found=$(printf '%s\n' "$lines" | sed 's/[[:blank:]]*$//')
    case $found in
        '') grep -q "^[[:blank:]]*$1[[:blank:]]*[=:]" "$conf" && unclear "$1" && return "$EXIT_PIN_FAILED" ;;
        *[!A-Za-z0-9]*) unclear "$1" && return "$EXIT_PIN_FAILED" ;;
    esac
    [ -n "$found" ] || found=-
}

unclear() {
    echo "the setting $1 in $conf is not one plain word; it was not changed"
}

# write_setting KEY VALUE: all else of the file stays, byte by byte, with its owner and mode.
write_setting() {
    new=$conf.patchwave
    cp -p "$conf" "$new" \
        && sed "s/^\($1[[:blank:]]*[=:][[:blank:]]*\)[A-Za-z0-9]*\([[:blank:]]*\)$/\1$2\2/" "$conf" >"$new" \
        && to_disk "$new" && mv -f "$new" "$conf" && to_disk "${conf%/*}" && return 0
    rm -f "$new"
    echo "$1 could not be written to $conf"
    return "$EXIT_PIN_FAILED"
}
