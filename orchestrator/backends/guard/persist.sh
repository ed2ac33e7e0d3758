# klp: what makes a patch come back at the next boot, and takes that away again. Needs guard/actions.sh and guard/klp.sh.
# shellcheck shell=sh disable=SC2154

name_persisted() {
    persisted=$root/lib/modules/$release/updates/patchwave/$name.ko
    persisted_list=$root/etc/modules-load.d/patchwave-$name.conf
    persisted_rule=$root/etc/modprobe.d/patchwave-$name.conf
}

# install FILE TO: complete and on disk before it gets its name.
install() {
    mkdir -p "${2%/*}" && cp "$1" "$2.patchwave-new" && chmod 0644 "$2.patchwave-new" \
        && to_disk "$2.patchwave-new" && mv -f "$2.patchwave-new" "$2" && to_disk "${2%/*}"
}

# depmod writes lists that every user reads.
run_depmod() {
    (umask 022 && call depmod "$1" </dev/null) && to_disk "$root/lib/modules/$1"/modules.* "$root/lib/modules/$1"
}

# A later kernel package may bring another build under the same release: the rule asks for this very build before it
# lets the module in (modprobe.d(5), which knows no backslashes). The byte order of the note's type is the machine's.
rule_text() {
    printf '# Installed by patchwave: %s goes into the kernel %s with this build id alone.\n' "$name" "$release"
    printf 'install %s PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH; ' "$name"
    printf 'od -An -v -tx1 /sys/kernel/notes | tr -cd 0-9a-f | '
    printf "grep -qE '0(3000000|0000003)474e5500%s' && " "$kernel_build"
    printf 'modprobe --ignore-install %s\n' "$name"
}

list_text() {
    printf '# Installed by patchwave: the live patch %s, for the kernel %s.\n%s\n' "$name" "$release" "$name"
}

# The list that the boot reads comes last: until then nothing of it is in effect.
put_persisted() {
    umask 022
    install "$folder/module.ko" "$persisted" || return
    hash=$(sha256sum <"$persisted") && [ "${hash%% *}" = "$sha256" ] || return
    rule_text >"$folder/rule" && install "$folder/rule" "$persisted_rule" || return
    run_depmod "$release" || return
    list_text >"$folder/list" && install "$folder/list" "$persisted_list"
}

# Says at its end that it came to it: only then is it known that nothing comes back with the next boot.
remove_persisted() {
    name_persisted
    rm -f "$persisted_list" "$persisted_list.patchwave-new" "$persisted_rule" "$persisted_rule.patchwave-new" \
        || return "$EXIT_PERSIST_FAILED"
    to_disk "${persisted_list%/*}" "${persisted_rule%/*}"
    for file in "$root"/lib/modules/*/updates/patchwave/"$name".ko; do
        [ -f "$file" ] || continue
        rm -f "$file" "$file.patchwave-new"
        owner=${file%/updates/patchwave/*}
        rmdir "$owner/updates/patchwave" 2>/dev/null
        echo "removed $file"
        run_depmod "${owner##*/}" || echo "depmod ${owner##*/} failed"
    done
    echo "nothing of $name is left for the next boot"
}

# Only what is in force is made to come back at the next boot.
persist() {
    name_module
    check_boot || return
    check_host || return
    if ! is_live || ! is_enabled || is_moving || [ "$(build_of "$name")" != "$build" ]; then
        echo "$name is not in force: it will not be persisted"
        return "$EXIT_NOT_LIVE"
    fi
    name_persisted
    (put_persisted) && return 0
    remove_persisted
    return "$EXIT_PERSIST_FAILED"
}

