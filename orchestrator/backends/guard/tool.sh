# How a vendor's tool is run under the guard. Needs guard/actions.sh.
# shellcheck shell=sh disable=SC2154

# Below a root prefix only a stand-in speaks for the host.
has_tool() {
    if [ -n "$root" ]; then
        [ -x "$root/stand-ins/$1" ]
    else
        command -v "$1" >/dev/null 2>&1
    fi
}

# run_tool PROGRAM ARGUMENT...: runs it up to the limit. Sets status and returns it: the program's own exit status; 127
# where it is not there, 126 where it could not be started, 124 (and timed_out=yes) where it had to be ended.
run_tool() {
    printf '+ %s\n' "$*"
    said_from=$(wc -c <"$folder/output") said_to=$said_from timed_out=no status=126
    tool_end=$(($(seconds) + limit))
    rm -f "$folder/pipe"
    mkfifo "$folder/pipe" || {
        echo "$1 was not run: $folder could not be written"
        return "$status"
    }
    # It is held at the pipe until somebody reads there: by then its name is known to whoever comes after us.
    become_tool "$@" </dev/null >"$folder/pipe" 2>&1 &
    tool_pid=$!
    put "$folder/tool" "$tool_pid $(started_at "$tool_pid") $((tool_end + 120))"
    keep_words <"$folder/pipe" &
    tool_keeper=$!
    # bash tells on stderr which signal ended a process of its own.
    wait_for_tool 2>/dev/null
    said_to=$(wc -c <"$folder/output")
    rm -f "$folder/tool" "$folder/pipe"
    report_status "$1"
    return "$status"
}

# The process of the tool itself: of a session of its own, so that all that it starts can be found. The tool writes
# files that others read, and expects to be told of a closed pipe as ever.
become_tool() {
    umask 022
    trap - PIPE
    tool_program=$1
    shift
    [ -z "$root" ] || tool_program=$root/stand-ins/$tool_program
    if command -v setsid >/dev/null 2>&1; then
        exec setsid "$tool_program" "$@"
    fi
    exec "$tool_program" "$@"
}

# /run is memory: whatever a tool says in all, the first 2 MB at most are kept, and the last of it. dd hands on at
# once what it gets.
keep_words() {
    dd bs=1024 count=2000 2>/dev/null
    tail -c 60000
}

wait_for_tool() {
    while is_running "$tool_pid"; do
        if is_past "$tool_end"; then
            timed_out=yes
            stop_tool
            break
        fi
        pause
    done
    # One that not even KILL ends hangs in the kernel: it is not waited for.
    is_running "$tool_pid" || wait "$tool_pid"
    status=$?
    [ "$timed_out" = no ] || status=124
    # What it left running may hold the pipe for as long as it likes.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        is_running "$tool_keeper" || return 0
        pause
    done
}

# These two start no process: they are asked several times a second.
is_running() {
    tool_line=''
    { read -r tool_line <"/proc/$1/stat"; } 2>/dev/null
    case ${tool_line##*) } in '' | [ZXx]*) return 1 ;; esac
}

is_past() {
    read -r tool_line </proc/uptime
    [ "${tool_line%%.*}" -ge "$1" ]
}

# TERM first: a package manager may be in the middle of something, and its script in a transition, which kpatch waits
# for up to 75 s. As long again, a minute at most; then KILL, for all that is left.
stop_tool() {
    tool_members=" $tool_pid "
    find_members
    # shellcheck disable=SC2086
    kill -TERM $tool_members 2>/dev/null
    [ "$limit" -lt 60 ] && tool_mercy=$limit || tool_mercy=60
    tool_mercy_end=$(($(seconds) + tool_mercy))
    until is_past "$tool_mercy_end"; do
        find_members || return 0
        pause
    done
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        find_members || return 0
        # shellcheck disable=SC2086
        kill -KILL $tool_members 2>/dev/null
        pause
    done
}

# Brings tool_members up to date: the tool, its session, and what descends from it (where there is no setsid, that alone
# tells). Fails when none of them is left.
find_members() {
    tool_left=' '
    for tool_member in $tool_members; do
        is_running "$tool_member" && tool_left="$tool_left$tool_member "
    done
    tool_members=$tool_left tool_seen=''
    until [ "$tool_members" = "$tool_seen" ]; do
        tool_seen=$tool_members
        for tool_process in /proc/[0-9]*; do
            tool_line=''
            { read -r tool_line <"$tool_process/stat"; } 2>/dev/null
            # shellcheck disable=SC2086
            add_member "${tool_process#/proc/}" ${tool_line##*) }
        done
    done
    [ "$tool_members" != ' ' ]
}

# add_member PID STATE PARENT GROUP SESSION...: as in proc_pid_stat(5).
add_member() {
    case ${2:-Z} in Z | X | x) return 0 ;; esac
    case $tool_members in *" $1 "*) return 0 ;; esac
    [ "$5" != "$tool_pid" ] || tool_members="$tool_members$1 "
    case $tool_members in
        *" $1 "*) ;;
        *" $3 "*) tool_members="$tool_members$1 " ;;
    esac
}

# The attempt's last line is what a person is told first: the tool's last words belong on it.
report_status() {
    tool_words=$(tool_said | tr '\r' '\n' | grep '[^[:space:]]' | tail -n 1 | cut -c 1-200)
    if [ "$timed_out" = yes ]; then
        printf '%s\n' "$1 did not end within $limit s and was ended${tool_words:+: $tool_words}"
    else
        printf '%s\n' "$1: exit status $status${tool_words:+: $tool_words}"
    fi
}

# What the last run_tool said, stdout and stderr, the last 60,000 bytes of it.
tool_said() {
    { tail -c "+$((said_from + 1))" "$folder/output" | head -c "$((said_to - said_from))" | tail -c 60000; } 2>/dev/null
}

# tool_says PATTERN: whether an extended regular expression matches a line of it, whatever the case.
tool_says() {
    tool_said | grep -iE -- "$1" >/dev/null
}

# run_unlocked PATTERN PROGRAM ARGUMENT...: run_tool, and again as long as it fails and says by the pattern that another
# process holds a lock, up to the limit. Sets locked: yes where it was so to the end.
run_unlocked() {
    tool_locks=$1
    shift
    set_deadline
    while :; do
        locked=no
        run_tool "$@" && return 0
        tool_says "$tool_locks" || return "$status"
        locked=yes
        ! is_late || return "$status"
        sleep 1
    done
}
