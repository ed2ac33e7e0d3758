# KernelCare's actions. kcarectl applies the newest patch level that its server, its feed and its sticky settings allow; a
# level cannot be named to it (--set-sticky-patch takes a date, STICKY_PATCHSET the name of a release). So an order for
# another level than the one that it applies ends with what is there, which is said. Patches that cannot be put in
# without --force stay out.
# shellcheck shell=sh disable=SC2154

kernelcare_locked='another (instance|process)|already running|(is|be) locked|lock(ed)? by|acquire.*lock'
kernelcare_unlicensed='no valid|not valid|invalid (license|key)|unlicensed|license.*expired|not (registered|licensed)'
kernelcare_unreachable='urlopen|unreachable|resol|connection|timed out|no route|HTTP Error 5|network'
kernelcare_nothing='unknown kernel|unsupported kernel|not supported|no patches'

has_kcarectl() {
    has_tool kcarectl && return 0
    echo 'kcarectl is not on the host'
    return "$EXIT_TOOL_MISSING"
}

# Sets now to the level in force in the words of a check, LEVEL[-KIND]@EFFECTIVE; empty for nothing. Fails where kcarectl
# does, or says that a patch is applied and not which.
find_level() {
    now=''
    said=$(call kcarectl --info </dev/null 2>&1) || return 1
    case $said in
        *'kpatch-state: patch is applied'*) ;;
        *) return 0 ;;
    esac
    now=$(printf '%s\n' "$said" | tr -d '\r' | sed -nE \
        -e 's/^kpatch-description: *([A-Za-z0-9_]+)(-[a-z]*)?(:[0-9]*)?;([A-Za-z0-9._+~-]+) *$/\1\2@\4/' \
        -e 't told' -e d -e ':told' -e 's/-@/@/' -e 's/\.(x86_64|aarch64|i[3-6]86|ppc64le|s390x)(\+?)$/\2/' \
        -e 's/\+$//' -e p -e q)
    [ -n "$now" ]
}

# is_above LEVEL OTHER: of the same kind, and a higher number.
is_above() {
    here=${1%%@*} there=${2%%@*}
    for number in "${here%%-*}" "${there%%-*}"; do
        case $number in '' | *[!0-9]*) return 1 ;; esac
    done
    [ "${here#"${here%%-*}"}" = "${there#"${there%%-*}"}" ] && [ "${here%%-*}" -gt "${there%%-*}" ]
}

# --- apply ---------------------------------------------------------------------------------------------------------

apply() {
    check_boot || return
    check_kernel || return
    has_kcarectl || return
    find_level
    old=$now
    if [ -n "$level" ] && [ "$old" = "$level" ]; then
        echo "patch level $old is in force already"
        return "$EXIT_DONE"
    fi
    if [ -n "$level" ] && is_above "$old" "$level"; then
        echo "patch level $old is in force; it is above $level and stays"
        return "$EXIT_OTHER_LEVEL"
    fi
    run_unlocked "$kernelcare_locked" kcarectl --update
    updated=$?
    find_level || {
        echo 'kcarectl --info does not tell what is in force'
        return "$EXIT_TOOL_FAILED"
    }
    if [ "$now" = "$old" ]; then
        explain_unchanged
    else
        explain_changed
    fi
}

explain_changed() {
    echo "patch level ${now:-none} is in force${level:+; $level was asked for}"
    [ "$updated" -eq 0 ] && [ -n "$now" ] && return "$EXIT_DONE"
    return "$EXIT_TOOL_FAILED"
}

# Nothing was changed: a refusal has a name. Without a level to compare with, the newest is there already.
explain_unchanged() {
    [ "$locked" = no ] || return "$EXIT_TOOL_LOCKED"
    [ "$timed_out" = no ] || return "$EXIT_TOOL_FAILED"
    ! tool_says "$kernelcare_unlicensed" || return "$EXIT_UNLICENSED"
    ! tool_says "$kernelcare_nothing" || return "$EXIT_NOTHING_OFFERED"
    if [ "$updated" -ne 0 ]; then
        ! tool_says "$kernelcare_unreachable" || return "$EXIT_TOOL_NETWORK"
        return "$EXIT_TOOL_FAILED"
    fi
    echo "patch level ${now:-none} is in force, and nothing else is offered${level:+; $level was asked for}"
    [ -n "$now" ] && [ -z "$level" ] && return "$EXIT_DONE"
    return "$EXIT_NOTHING_OFFERED"
}

# --- revert --------------------------------------------------------------------------------------------------------

# In whatever boot it finds: the agent brings its patches back after one.
revert() {
    has_kcarectl || return
    find_level || {
        echo 'kcarectl --info does not tell what is in force'
        return "$EXIT_TOOL_FAILED"
    }
    if [ -z "$now" ]; then
        echo 'no patch level is in force'
        return "$EXIT_DONE"
    fi
    if [ -n "$level" ] && [ "$now" != "$level" ]; then
        echo "patch level $now is in force, not $level; it stays"
        return "$EXIT_OTHER_LEVEL"
    fi
    run_unlocked "$kernelcare_locked" kcarectl --unload
    if find_level && [ -z "$now" ]; then
        find_setting
        is_off || echo 'AUTO_UPDATE is on: the agent applies its patches again within four hours'
        return "$EXIT_DONE"
    fi
    [ "$locked" = no ] || return "$EXIT_TOOL_LOCKED"
    echo "patch level ${now:-unknown} is still in force"
    return "$EXIT_TOOL_FAILED"
}

# --- pin and unpin -------------------------------------------------------------------------------------------------

kernelcare_off='AUTO_UPDATE=False'

# is_setting LINE: it sets AUTO_UPDATE, and not AUTO_UPDATE_DELAY.
is_setting() {
    case ${1#"${1%%[! ]*}"} in
        AUTO_UPDATE=* | 'AUTO_UPDATE '*=*) return 0 ;;
    esac
    return 1
}

# Sets conf, found (the line that sets AUTO_UPDATE, as it stands there) and times. Fails where there is no file.
find_setting() {
    conf=$root/etc/sysconfig/kcare/kcare.conf found='' times=0
    [ -f "$conf" ] || return 1
    while IFS= read -r entry || [ -n "$entry" ]; do
        if is_setting "$entry"; then
            found=$entry
            times=$((times + 1))
        fi
        entry=''
    done <"$conf"
}

is_off() {
    case ${found#*=} in
        [Ff]alse | FALSE | [Nn]o | NO | 0 | [Nn] | ' '[Ff]alse | ' '[Nn]o) return 0 ;;
    esac
    return 1
}

# write_setting LINE: in the place of the one that is there, or as the last; without LINE the one that is there goes. All
# other lines, the owner and the mode stay as they are.
write_setting() {
    cp -p "$conf" "$conf.patchwave" && copy_with "$1" <"$conf" >"$conf.patchwave" \
        && to_disk "$conf.patchwave" && mv -f "$conf.patchwave" "$conf" && to_disk "${conf%/*}" && return 0
    rm -f "$conf.patchwave"
    echo "$conf could not be written"
    return "$EXIT_PIN_FAILED"
}

# A last line without a newline behind it stays so.
copy_with() {
    placed=no ended=yes
    while IFS= read -r entry || { ended=no && [ -n "$entry" ]; }; do
        if is_setting "$entry"; then
            placed=yes
            [ -n "$1" ] || continue
            entry=$1
        fi
        if [ "$ended" = yes ]; then
            printf '%s\n' "$entry" || return
        elif [ "$placed" = yes ] || [ -z "$1" ]; then
            printf '%s' "$entry" || return
        else
            printf '%s\n' "$entry" || return
        fi
    done
    [ "$placed" = yes ] || [ -z "$1" ] || printf '%s\n' "$1"
}

pin() {
    check_boot || return
    has_kcarectl || return
    find_setting || {
        echo "there is no $conf"
        return "$EXIT_PIN_FAILED"
    }
    if [ "$times" -gt 1 ] || [ -L "$conf" ]; then
        echo "$conf is a symbolic link, or sets AUTO_UPDATE more than once: it is left as it is"
        return "$EXIT_PIN_FAILED"
    fi
    save_pin "$found" || return
    write_setting "$kernelcare_off"
}

# What somebody else wrote there meanwhile stays.
unpin() {
    name_pin
    [ -e "$pin_file" ] || return "$EXIT_DONE"
    before=$(saved_pin) || {
        echo "$pin_file is damaged: what AUTO_UPDATE was is not known"
        return "$EXIT_PIN_FAILED"
    }
    if find_setting && [ "$found" = "$kernelcare_off" ]; then
        write_setting "$before" || return
    elif [ "$found" != "$before" ]; then
        echo "AUTO_UPDATE was changed meanwhile and is left as it is: ${found:-not set}"
    fi
    forget_pin
}
