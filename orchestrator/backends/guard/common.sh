# What all parts of the guard share. Each part is sent as this file followed by its own: functions, then one call.
# shellcheck shell=sh disable=SC2034,SC2154

# The exit codes of an attempt. exits.py holds the same table; a test compares them.
EXIT_DONE=0
EXIT_WRONG_BOOT=20
EXIT_WRONG_BUILD=21
EXIT_BUILD_UNREADABLE=22
EXIT_LIVEPATCH_UNSUPPORTED=23
EXIT_TRANSITION_UNDER_WAY=24
EXIT_MODULE_INVALID=25
EXIT_DISK_FULL=26
EXIT_LOCKED=27
EXIT_NEEDS_ROOT=28
EXIT_FOREIGN_PATCH=29
EXIT_SIGNATURE_REQUIRED=30
EXIT_MODULE_FORMAT=31
EXIT_MODULE_EXISTS=32
EXIT_BUSY=33
EXIT_INSERT_FAILED=34
EXIT_NOT_LIVE=35
EXIT_STALLED_REVERTED=40
EXIT_STALLED_NOT_REVERTED=41
EXIT_REVERT_STALLED=42
EXIT_MODULE_STAYS=43
EXIT_PERSIST_FAILED=50
EXIT_USAGE=64
EXIT_TOOL_MISSING=80
EXIT_TOOL_FAILED=81
EXIT_TOOL_LOCKED=82
EXIT_UNLICENSED=83
EXIT_NOTHING_OFFERED=84
EXIT_OTHER_LEVEL=85
EXIT_TOOL_NETWORK=86
EXIT_TOOL_CONFLICT=87
EXIT_NO_ROLLBACK=88
EXIT_PIN_FAILED=89

is_word() {
    case $1 in '' | *[!A-Za-z0-9_-]*) return 1 ;; esac
}

# Every argument is KEY=VALUE, so that none can take another's place.
read_arguments() {
    root='' nonce='' attempt='' controller='' action='' boot='' release='' kernel_build='' name='' build=''
    sha256='' size=0 limit=0 replaces=no known=',' tool='' package='' level='' setting=''
    for argument in "$@"; do
        value=${argument#*=}
        case $argument in
            root=*) root=$value ;;
            nonce=*) nonce=$value ;;
            attempt=*) attempt=$value ;;
            controller=*) controller=$value ;;
            action=*) action=$value ;;
            boot=*) boot=$value ;;
            release=*) release=$value ;;
            kernel_build=*) kernel_build=$value ;;
            name=*) name=$value ;;
            build=*) build=$value ;;
            sha256=*) sha256=$value ;;
            size=*) size=$value ;;
            limit=*) limit=$value ;;
            replaces=*) replaces=$value ;;
            known=*) known=,$value, ;;
            tool=*) tool=$value ;;
            package=*) package=$value ;;
            level=*) level=$value ;;
            setting=*) setting=$value ;;
            *) exit "$EXIT_USAGE" ;;
        esac
    done
    # An attempt's name is the name of its folder: it may not be one that the guard uses itself.
    is_word "$attempt" && [ "$attempt" != lock ] && is_word "$nonce" && is_word "tool$tool" || exit "$EXIT_USAGE"
    set_surroundings
}

set_surroundings() {
    PATH="${root:+$root/stand-ins:}/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"
    LC_ALL=C
    PATCHWAVE_ROOT=$root
    export PATH LC_ALL PATCHWAVE_ROOT
    umask 077
    run=$root/run/patchwave
    folder=$run/$attempt
    boot_now=$(value_of "$root/proc/sys/kernel/random/boot_id")
}

# Runs what touches the kernel or says who we are. Below a root prefix only a stand-in may: by its path, because
# busybox's shell may prefer its own applets to PATH.
call() {
    if [ -n "$root" ]; then
        called=$root/stand-ins/$1
        shift
        "$called" "$@"
    else
        "$@"
    fi
}

# The first line of a file; nothing when it cannot be read.
value_of() {
    line=''
    { read -r line <"$1"; } 2>/dev/null
    printf '%s\n' "$line"
}

# Written whole or not at all: a reader never sees half of it.
put() {
    { printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; } 2>/dev/null
}

# The start time of a process (field 22 of proc_pid_stat(5)): together with the pid it names a process for good.
# Fails when there is none, or only its zombie. The guard's own processes are looked up in the real /proc, whatever
# the root prefix is. The name before the last parenthesis may hold anything.
started_at() {
    line=$(value_of "/proc/$1/stat")
    # shellcheck disable=SC2086
    set -- ${line##*) }
    case ${1:-Z} in Z | X | x) return 1 ;; esac
    printf '%s\n' "${20:-}"
}

# is_alive PID START BOOT
is_alive() {
    is_word "$1" && [ "$3" = "$boot_now" ] || return 1
    started=$(started_at "$1") && [ "$started" = "$2" ]
}

# Seconds that no change of the clock moves.
seconds() {
    line=$(value_of /proc/uptime)
    printf '%s\n' "${line%%.*}"
}

# Does the process that a folder names (lock, attempt, upload) still live? Where a worker was killed, the tool that it
# ran may go on: as long as that may take, the host is not free.
owner_lives() {
    is_alive "$(value_of "$1/pid")" "$(value_of "$1/start")" "$(value_of "$1/boot")" || tool_lives "$1"
}

# The attempt's file tool says which process it is and until when, in seconds since the boot.
tool_lives() {
    owned=$run/$(value_of "$1/attempt")
    [ -f "$owned/tool" ] || return 1
    tool_boot=$(value_of "$owned/boot")
    # shellcheck disable=SC2046
    set -- $(value_of "$owned/tool")
    [ "$#" -eq 3 ] && is_alive "$1" "$2" "$tool_boot" && [ "$(seconds)" -lt "$3" ]
}

sign_owner() {
    put "$1/start" "$(started_at "$$")" && put "$1/boot" "$boot_now" && put "$1/controller" "$controller" \
        && put "$1/attempt" "$attempt" && put "$1/id" "$nonce" && put "$1/pid" "$$"
}

is_uploading() {
    for upload in "$run/upload.$attempt."*; do
        owner_lives "$upload" && return 0
    done
    return 1
}

# Sets state (absent, starting, running, finished, died) and code of the attempt.
look() {
    code=-
    if [ -f "$folder/rc" ]; then
        state=finished
    elif [ -d "$folder" ]; then
        state=running
        # It may have finished between the two looks.
        owner_lives "$folder" || { [ -f "$folder/rc" ] && state=finished || state=died; }
    elif is_uploading; then
        state=starting
    else
        state=absent
    fi
    [ "$state" != finished ] || code=$(value_of "$folder/rc")
}

# answer STATE CODE TEXT: one section, framed by the nonce, closed by its exit code and byte count.
answer() {
    count=$(printf '%s' "$3" | wc -c)
    printf '\n%s state %s %s %s\n' "$nonce" "$1" "$2" "${boot_now:--}"
    printf '%s\n%s end 0 %s\n' "$3" "$nonce" "$((count))"
}

answer_state() {
    look
    answer "$state" "$code" "$(tail -c 60000 "$folder/output" 2>/dev/null)"
}
