# kpatch's actions: klp's, with kpatch loading, unloading and installing the module. It waits for a transition 15 s, then
# 60 s more, then unloads the module by itself and fails (kpatch/kpatch: POST_ENABLE_WAIT, POST_SIGNAL_WAIT). Whatever it
# says, sysfs is looked at. Needs guard/tool.sh, guard/klp.sh, guard/persist.sh and klp/actions.sh.
# shellcheck shell=sh disable=SC2154

# --- apply: in place of klp's insert ---------------------------------------------------------------------------------

# Old versions take the module's name from the file's. kpatch tries again by itself while the kernel is busy, for 8 s.
insert() {
    mv "$folder/module.ko" "$folder/$name.ko" || return "$EXIT_DISK_FULL"
    load_module "$folder/$name.ko"
    loaded=$?
    rm -f "$folder/$name.ko"
    return "$loaded"
}

# load_module FILE_OR_NAME
load_module() {
    until run_tool kpatch load "$1"; do
        # A transition that it was ended in goes on: it is waited for.
        ! is_live || return 0
        explain_load
        explained=$?
        if [ "$explained" != "$EXIT_BUSY" ] || is_late; then
            return "$explained"
        fi
        pause
    done
    is_live || {
        echo "kpatch loaded $name, and the kernel lists no such patch"
        return "$EXIT_NOT_LIVE"
    }
}

# One of our codes for what kpatch, or the insmod that it calls, said.
explain_load() {
    [ "$status" != 127 ] || return "$EXIT_TOOL_MISSING"
    if tool_says 'transition stalled|did not complete its transition'; then
        explain_stall
        return
    fi
    said=$(tool_said | grep '^insmod: ' | tail -n 1 | cut -c 1-300)
    if [ -z "$said" ]; then
        remove_module
        return "$EXIT_TOOL_FAILED"
    fi
    explain_insert
    inserted=$?
    printf '%s\n' "$said"
    return "$inserted"
}

# The tasks that it names as stalled, in our form.
explain_stall() {
    tool_said | sed -n 's/^\([0-9][0-9]*\) \([^ ].*\)$/blocking \1 \2/p' | head -n 20
    remove_module || return "$EXIT_MODULE_STAYS"
    echo "the transition of $name did not end within kpatch's 75 s, and kpatch reverted it"
    return "$EXIT_STALLED_REVERTED"
}

# --- revert ----------------------------------------------------------------------------------------------------------

# As klp's: only the very module, and what is for the next boot goes first.
revert() {
    name_module
    if [ -d "$module_folder" ] && [ "$(build_of "$name")" != "$build" ]; then
        echo "another module is loaded under the name $name"
        return "$EXIT_FOREIGN_PATCH"
    fi
    uninstall_module && remove_persisted
    unpersisted=$?
    unload_module || return
    return "$unpersisted"
}

# kpatch exits 0 where rmmod failed.
unload_module() {
    set_deadline
    wait_for_others || return
    [ ! -d "$module_folder" ] || run_tool kpatch unload "$name"
    set_deadline
    if ! take_out; then
        echo "the transition of $name out of force did not end within $limit s"
        report_blocking
        return "$EXIT_REVERT_STALLED"
    fi
    remove_module || return "$EXIT_MODULE_STAYS"
}

# is_ordered FILE: the very module of the order.
is_ordered() {
    hash=$(sha256sum <"$1") && [ "${hash%% *}" = "$sha256" ]
}

# is_ours FILE: that, or one of our catalogue by the build id in it: the same patch, for another kernel.
is_ours() {
    is_ordered "$1" && return 0
    id=$(hex_of "$1" | grep -oE '03(000000|)474e5500[0-9a-f]{40}' | head -n 1)
    is_known "${id##*474e5500}"
}

# Whatever kernel boots next, it is not to come back. Of one name there may be others' modules: those stay.
uninstall_module() {
    for module in "$root"/var/lib/kpatch/*/"$name".ko; do
        if [ ! -f "$module" ] || ! is_ours "$module"; then continue; fi
        kernel=${module%/*}
        run_tool kpatch uninstall -k "${kernel##*/}" "$name.ko"
        [ ! -f "$module" ] || rm -f "$module" || {
            echo "$module could not be removed"
            return "$EXIT_PERSIST_FAILED"
        }
        to_disk "$kernel"
    done
}

# --- persist ---------------------------------------------------------------------------------------------------------

# kpatch.service loads at boot what is installed for the kernel that boots. kpatch exits 1 where the module is installed
# already, and where there is no systemctl: what counts is the file.
persist() {
    name_module
    check_boot || return
    check_host || return
    if ! is_live || ! is_enabled || is_moving || [ "$(build_of "$name")" != "$build" ]; then
        echo "$name is not in force: it will not be persisted"
        return "$EXIT_NOT_LIVE"
    fi
    installed=$root/var/lib/kpatch/$release/$name.ko
    if [ -f "$installed" ] && ! is_ordered "$installed"; then
        echo "another module is installed as ${installed#"$root"}"
        return "$EXIT_FOREIGN_PATCH"
    fi
    install_module
}

install_module() {
    mv "$folder/module.ko" "$folder/$name.ko" || return "$EXIT_PERSIST_FAILED"
    run_tool kpatch install "$folder/$name.ko"
    rm -f "$folder/$name.ko"
    if [ -f "$installed" ] && is_ordered "$installed" && to_disk "$installed" "${installed%/*}" && is_enabled_at_boot; then
        echo "$name is installed for the next boot"
        return "$EXIT_DONE"
    fi
    rm -f "$installed"
    echo "$name could not be installed for the next boot, and nothing of it was left there"
    return "$EXIT_PERSIST_FAILED"
}

# Where there is no systemctl, whatever else runs kpatch at boot was somebody's decision.
is_enabled_at_boot() {
    has_tool systemctl || return 0
    run_tool systemctl enable kpatch.service
}
