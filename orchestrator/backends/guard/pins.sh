# What an agent's setting was before it was pinned: kept on the host's disk, because whoever pinned it may be gone by the
# time it is to be put back. Checks read the file. Needs guard/actions.sh.
# shellcheck shell=sh disable=SC2154

name_pin() {
    pins=$root/var/lib/patchwave/pins
    pin_file=$pins/$tool
}

# save_pin SETTING: before the agent's setting is changed. What was saved first stays: a second pin would save our own.
save_pin() {
    name_pin
    if [ -e "$pin_file" ]; then
        saved_pin >/dev/null && return 0
        echo "$pin_file is damaged: what the setting of $tool was is not known"
        return "$EXIT_PIN_FAILED"
    fi
    can_keep "$1" && (write_pin "$1") && return 0
    rm -f "$pin_file.new"
    echo "the setting of $tool could not be kept in $pin_file; it was not changed"
    return "$EXIT_PIN_FAILED"
}

# One line of at most 200 printable ASCII characters, or nothing.
can_keep() {
    [ -n "$tool" ] && [ "${#1}" -le 200 ] || return
    case $1 in *[![:print:]]*) return 1 ;; esac
}

write_pin() {
    mkdir -p "$pins" && chmod 0700 "${pins%/*}" "$pins" || return
    {
        printf '# Saved by patchwave before it pinned %s: the setting that is put back.\n' "$tool"
        printf 'controller=%s\nattempt=%s\n' "$controller" "$attempt"
        printf 'time=%s\nsetting=%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1"
    } >"$pin_file.new" || return
    to_disk "$pin_file.new" && mv -f "$pin_file.new" "$pin_file" \
        && to_disk "$pins" "${pins%/*}" "${pins%/*/*}"
}

# Prints the setting that was saved. Fails where none was.
saved_pin() {
    name_pin
    grep -q '^setting=' "$pin_file" 2>/dev/null && sed -n 's/^setting=//p' "$pin_file"
}

# Once the setting has been put back.
forget_pin() {
    name_pin
    [ -e "$pin_file" ] || return 0
    rm -f "$pin_file" && to_disk "$pins" && return 0
    echo "$pin_file could not be removed"
    return "$EXIT_PIN_FAILED"
}
