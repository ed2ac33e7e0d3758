# kpatch's actions with a module that is on the host already: installed for the running kernel, and not loaded. $package
# names it as kpatch lists it: its file's name, with _ for -. Needs guard/klp.sh, klp/actions.sh and kpatch/actions.sh.
# shellcheck shell=sh disable=SC2154

name_offered() {
    name=$package
    name_module
    case $name in '' | *[!A-Za-z0-9_]*)
        echo "this is no name of a module: $name"
        return "$EXIT_USAGE"
        ;;
    esac
}

# --- apply -----------------------------------------------------------------------------------------------------------

apply() {
    name_offered || return
    check_boot || return
    check_kernel || return
    check_alone || return
    set_deadline
    wait_for_others || return
    wait_settled || return
    check_alone || return
    if is_live; then
        leave_live
        return
    fi
    check_installed || return
    load_module "$name" || return
    set_deadline
    wait_in_force
    waited=$?
    [ "$waited" = "$EXIT_STALLED_REVERTED" ] || return "$waited"
    give_up_stalled
}

# Whether a module replaces all others shows only once it did: beside another one in force it is not loaded.
check_alone() {
    for neighbour in "$root"/sys/kernel/livepatch/*/; do
        neighbour=${neighbour%/}
        if [ "${neighbour##*/}" != "$name" ] && [ "$(value_of "$neighbour/enabled")" = 1 ]; then
            echo "${neighbour##*/} is in force, and $name might replace it"
            return "$EXIT_FOREIGN_PATCH"
        fi
    done
}

# What somebody else began with it is left to end.
wait_settled() {
    while is_live && is_moving; do
        is_late && {
            echo "$name stayed in transition for the whole limit of $limit s: somebody else began that"
            return "$EXIT_TRANSITION_UNDER_WAY"
        }
        pause
    done
}

# Who disabled it had a reason.
leave_live() {
    is_enabled || {
        echo "$name is loaded and was disabled: it was left so"
        return "$EXIT_FOREIGN_PATCH"
    }
    echo "$name is in force already"
}

# As kpatch itself looks for it (find_module in kpatch/kpatch). A file may hold a module of another name, by which it would
# be in force: where .modinfo tells the name, that is the one.
check_installed() {
    for candidate in "$root/var/lib/kpatch/$release"/*.ko; do
        if [ -f "$candidate" ] && [ "$(listed_name "$candidate")" = "$name" ]; then
            check_name_inside
            return
        fi
    done
    echo "$name is not installed for $release"
    return "$EXIT_NOTHING_OFFERED"
}

listed_name() {
    listed=${1##*/}
    printf '%s\n' "${listed%.ko}" | tr - _
}

check_name_inside() {
    inside=$(tr '\000' '\n' <"$candidate" | sed -n 's/^name=\([A-Za-z0-9_]*\)$/\1/p')
    if [ -z "$inside" ] || printf '%s\n' "$inside" | grep -Fx -- "$name" >/dev/null; then return 0; fi
    echo "the module in ${candidate#"$root"} has another name: $(printf '%s\n' "$inside" | head -n 1)"
    return "$EXIT_NOTHING_OFFERED"
}

# --- revert ----------------------------------------------------------------------------------------------------------

# That one alone, and only out of memory: that it is installed was somebody's decision.
revert() {
    name_offered || return
    if [ ! -d "$module_folder" ]; then
        echo "$name is not loaded"
        return "$EXIT_DONE"
    fi
    unload_module
}

persist() { return "$EXIT_USAGE"; }
