# The actions of Canonical Livepatch. Its client takes whatever its server offers for the kernel, the newest there is:
# no version can be asked for, and none can be taken out again.
# shellcheck shell=sh disable=SC2154

apply() {
    check_boot || return
    check_kernel || return
    check_client || return
    set_deadline
    wait_for_others || return
    read_patch || {
        explain
        return
    }
    version_before=$patch_version
    if [ -n "$level" ] && [ "$patch_version" = "$level" ]; then
        echo "$level is in force already"
        return "$EXIT_DONE"
    fi
    if [ -n "$level" ] && [ -n "$patch_version" ] && ! is_older "$patch_version" "$level"; then
        echo "$patch_version is in force, and $level was asked for"
        return "$EXIT_OTHER_LEVEL"
    fi
    run_tool canonical-livepatch refresh || {
        explain
        return
    }
    wait_for_patch
    judge
}

revert() {
    echo "Canonical Livepatch cannot take a patch out of force: only a reboot can"
    return "$EXIT_NO_ROLLBACK"
}

# Two settings hold the client: an interval of 0 ends its checks every hour, while refresh still works; a cut-off date
# keeps everything newer away from refresh, too (10.11.2 and later, with a paid subscription). Either may be refused.
pin() {
    check_boot || return
    check_client || return
    find_settings
    save_pin "check-interval=$interval cutoff-date=$cutoff" || return
    is_held=no
    hold check-interval "$interval" 0
    hold cutoff-date "$cutoff" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    [ "$is_held" = no ] || {
        find_settings
        echo "the client is held by check-interval=$interval cutoff-date=$cutoff"
        return "$EXIT_DONE"
    }
    echo "the client takes neither an interval of 0 nor a cut-off date"
    forget_pin
    return "$EXIT_PIN_FAILED"
}

unpin() {
    settings_before=$(saved_pin) || return "$EXIT_DONE"
    if has_tool canonical-livepatch; then
        put_back "$settings_before" || {
            echo "the settings of the client could not be put back: $settings_before"
            return "$EXIT_PIN_FAILED"
        }
        echo "put back: $settings_before"
    else
        echo "canonical-livepatch is no longer on the host, and its settings went with it"
    fi
    forget_pin
}

check_client() {
    has_tool canonical-livepatch || {
        echo "canonical-livepatch is not on the host"
        return "$EXIT_TOOL_MISSING"
    }
}

# --- the patch -----------------------------------------------------------------------------------------------------

# Sets patch_state, patch_check and, of one that is applied, patch_version: of the running kernel, by the client's JSON.
# They are empty where a client gives none, and then the check that follows knows better.
read_patch() {
    patch_state='' patch_check='' patch_version=''
    run_tool canonical-livepatch status --format json || {
        tool_says 'flag|--format|usage:'
        return
    }
    patch_words=$(tool_said | tr '\n' ' ' | tr '{' '\n' | sed -n '/"Running": *true/{
        n
        p
        q
    }')
    patch_state=$(patch_word State)
    patch_check=$(patch_word CheckState)
    [ "$patch_state" != applied ] || patch_version=$(patch_word Version)
}

patch_word() {
    printf '%s\n' "$patch_words" | sed -n 's/.*"'"$1"'": *"\([0-9A-Za-z.-]*\)".*/\1/p'
}

# The client answers refresh when it has asked its server; what it got it may still be inserting.
wait_for_patch() {
    while read_patch; do
        case $patch_state in unapplied | needs-check) ;; *) return 0 ;; esac
        ! is_late || return 0
        sleep 2
    done
}

judge() {
    case $patch_state in
        applied) ;;
        '')
            echo "the client was refreshed, and does not say in JSON what is in force"
            return "$EXIT_DONE"
            ;;
        nothing-to-apply | kernel-upgrade-required)
            echo "$patch_state: no patch is offered for this kernel"
            return "$EXIT_NOTHING_OFFERED"
            ;;
        *)
            echo "the patch is not in force: $patch_state"
            return "$EXIT_TOOL_FAILED"
            ;;
    esac
    if [ "$patch_version" = "$version_before" ] && [ "$patch_check" = check-failed ]; then
        echo "the client could not reach its server; $patch_version stayed in force"
        return "$EXIT_TOOL_NETWORK"
    fi
    if [ -n "$level" ] && [ "$patch_version" = "$version_before" ]; then
        echo "$level is not offered; $patch_version stayed in force"
        return "$EXIT_NOTHING_OFFERED"
    fi
    echo "$patch_version is in force${level:+, $level was asked for}"
}

# What the client's own words mean, where it failed.
explain() {
    explained=$EXIT_TOOL_FAILED
    if [ "$timed_out" = yes ]; then
        :
    elif tool_says 'not enabled|(machine|auth).?token|unauthori[sz]ed|subscription'; then
        explained=$EXIT_UNLICENSED
    elif tool_says 'crash|lock ?file'; then
        explained=$EXIT_TOOL_LOCKED
    elif tool_says 'no such host|timeout|timed out|unreachable|connection re|TLS|x509|(check|request).* failed'; then
        explained=$EXIT_TOOL_NETWORK
    fi
    return "$explained"
}

# is_older A B: by their numbers; 99.2 is older than 104.1.
is_older() {
    older=$1 newer=$2
    while [ -n "$older$newer" ]; do
        older_part=${older%%.*} newer_part=${newer%%.*}
        [ "${older_part:-0}" -eq "${newer_part:-0}" ] || {
            [ "${older_part:-0}" -lt "${newer_part:-0}" ]
            return
        }
        case $older in *.*) older=${older#*.} ;; *) older='' ;; esac
        case $newer in *.*) newer=${newer#*.} ;; *) newer='' ;; esac
    done 2>/dev/null
    return 1
}

# --- the settings --------------------------------------------------------------------------------------------------

# The client keeps them in this file. Asked for them itself, it would also tell of proxies, and their passwords.
find_settings() {
    interval=$(setting_of check-interval)
    cutoff=$(setting_of cutoff-date)
}

# Empty where it is not set: then the client's own default holds, and clearing it brings that back.
setting_of() {
    sed -n 's/^'"$1"': *//p' "$root/var/snap/canonical-livepatch/common/config" 2>/dev/null | tail -n 1 \
        | sed -e 's/ *#.*//' -e "s/[\"']//g" -e 's/[^0-9A-Za-z:.+-].*//'
}

# hold KEY NOW VALUE: whoever holds the client with that already, may be earlier, goes on doing so.
hold() {
    case $1=$2 in
        check-interval=0 | cutoff-date=?*) is_held=yes ;;
        *) ! run_tool canonical-livepatch config "$1=$3" || is_held=yes ;;
    esac
}

# put_back SETTINGS, as pin saved them.
put_back() {
    words=${1#check-interval=}
    restore check-interval "${words%% *}" 60 || return
    restore cutoff-date "${words##*cutoff-date=}" ''
}

# restore KEY VALUE DEFAULT: clients that do not clear a number are told the default.
restore() {
    [ "$(setting_of "$1")" != "$2" ] || return 0
    run_tool canonical-livepatch config "$1=$2" && return 0
    [ -z "$2" ] && [ -n "$3" ] && run_tool canonical-livepatch config "$1=$3"
}
