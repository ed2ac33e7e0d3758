# klp's actions, but for persist: the module of an order is put in force and taken out. Needs guard/klp.sh and
# guard/persist.sh.
# shellcheck shell=sh disable=SC2154

# --- apply ---------------------------------------------------------------------------------------------------------

# Makes room for the module's name. Sets adopted=yes where this very module is live and enabled already.
clear_name() {
    adopted=no
    [ -d "$module_folder" ] || return 0
    present=$(build_of "$name")
    if is_live; then
        [ "$present" = "$build" ] || {
            echo "another module is live under the name $name: build id ${present:-unreadable}"
            return "$EXIT_FOREIGN_PATCH"
        }
        is_enabled && adopted=yes && return 0
        take_out || return "$EXIT_TRANSITION_UNDER_WAY"
    elif [ "$present" != "$build" ] && ! is_known "$present"; then
        echo "another module is loaded under the name $name: build id ${present:-unreadable}"
        return "$EXIT_FOREIGN_PATCH"
    fi
    echo "removing the disabled module $name before it is inserted again"
    remove_module || return "$EXIT_MODULE_STAYS"
}

# The words of insmod: kmod prints strerror(3), busybox some of its own.
explain_insert() {
    case $said in
        *"Key was rejected"* | *"equired key not available"*) return "$EXIT_SIGNATURE_REQUIRED" ;;
        *"Operation not permitted"*) explain_permission ;;
        *"nvalid module format"* | *"wrong symbol version"*) return "$EXIT_MODULE_FORMAT" ;;
        *"File exists"*) return "$EXIT_MODULE_EXISTS" ;;
        *"Device or resource busy"*) return "$EXIT_BUSY" ;;
        *) return "$EXIT_INSERT_FAILED" ;;
    esac
}

# EPERM has many causes; what can be told of them is put behind the words of insmod.
explain_permission() {
    if [ "$(value_of "$root/proc/sys/kernel/modules_disabled")" = 1 ]; then
        said="$said (kernel.modules_disabled is 1: no module goes in until a reboot)"
        return "$EXIT_INSERT_FAILED"
    fi
    if lacks_module_capability; then
        said="$said (root here has no CAP_SYS_MODULE)"
        return "$EXIT_NEEDS_ROOT"
    fi
    case $(value_of "$root/sys/kernel/security/lockdown") in
        *'[integrity]'* | *'[confidentiality]'*) said="$said (the kernel is locked down)" ;;
    esac
    return "$EXIT_INSERT_FAILED"
}

# CAP_SYS_MODULE is bit 16: the lowest of the fifth hex digit from the right (capability.h, proc(5)).
lacks_module_capability() {
    caps=$(sed -n 's/^CapEff:[^0-9a-f]*\([0-9a-f]*\)$/\1/p' "$root/proc/self/status" 2>/dev/null)
    case $caps in
        *[02468ace]????) return 0 ;;
        *) return 1 ;;
    esac
}

# Busy: another transition started since we looked. The module was not loaded; wait and try again.
insert() {
    until said=$(call insmod "$folder/module.ko" 2>&1 </dev/null); do
        explain_insert
        explained=$?
        if [ "$explained" != "$EXIT_BUSY" ] || is_late; then
            printf '%s\n' "$said" | tail -n 5 | cut -c 1-300
            return "$explained"
        fi
        pause
    done
    echo "inserted $name"
}

# In force: enabled, and its transition over.
wait_in_force() {
    while is_live && is_enabled; do
        is_moving || return 0
        is_late && return "$EXIT_STALLED_REVERTED"
        pause
    done
    echo "$name is loaded, but not enabled"
    return "$EXIT_NOT_LIVE"
}

give_up_stalled() {
    echo "the transition of $name did not end within $limit s"
    report_blocking
    echo "reverting"
    set_deadline
    if take_out; then
        remove_module
        echo "reverted"
        return "$EXIT_STALLED_REVERTED"
    fi
    report_blocking
    return "$EXIT_STALLED_NOT_REVERTED"
}

apply() {
    name_module
    check_boot || return
    check_host || return
    set_deadline
    wait_for_others || return
    check_replaced || return
    clear_name || return
    if [ "$adopted" = no ]; then
        insert || return
    fi
    set_deadline
    wait_in_force
    waited=$?
    [ "$waited" = "$EXIT_STALLED_REVERTED" ] || return "$waited"
    give_up_stalled
}

# --- revert --------------------------------------------------------------------------------------------------------

# Out of whatever boot and kernel it finds: the module's own build id says that it is the one. What persist installed
# goes first: a reboot in between must not bring the patch back, be it into another kernel first.
revert() {
    name_module
    if [ -d "$module_folder" ] && [ "$(build_of "$name")" != "$build" ]; then
        echo "another module is loaded under the name $name"
        return "$EXIT_FOREIGN_PATCH"
    fi
    remove_persisted
    unpersisted=$?
    set_deadline
    wait_for_others || return
    if ! take_out; then
        echo "the transition of $name out of force did not end within $limit s"
        report_blocking
        return "$EXIT_REVERT_STALLED"
    fi
    remove_module || return "$EXIT_MODULE_STAYS"
    return "$unpersisted"
}
