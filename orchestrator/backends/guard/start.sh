# Receives the module, then starts the worker detached. The worker's own text comes as the first argument.
# shellcheck shell=sh disable=SC2154

# refuse CODE TEXT: nothing was changed on the host.
refuse() {
    [ -z "${upload_folder:-}" ] || rm -rf "$upload_folder"
    answer refused "$1" "$2"
    exit 0
}

remove_abandoned_uploads() {
    for upload in "$run"/upload.*; do
        owner_lives "$upload" || rm -rf "$upload"
    done
    # Not signed yet: the name says who makes it.
    for upload in "$run"/making.*; do
        started_at "${upload##*.}" >/dev/null || rm -rf "$upload"
    done
}

# An upload has a folder of its own and holds no lock: whatever becomes of the connection, nothing waits for it. It gets
# its name when its owner's is in it: without that it would look abandoned.
make_upload_folder() {
    remove_abandoned_uploads
    upload_folder=$run/making.$nonce.$$
    { mkdir "$upload_folder" && sign_owner "$upload_folder" && put "$upload_folder/worker.sh" "$worker_text" \
        && [ "$(wc -c <"$upload_folder/worker.sh")" -gt "${#worker_text}" ] \
        && mv "$upload_folder" "$run/upload.$attempt.$nonce"; } 2>/dev/null \
        || refuse "$EXIT_DISK_FULL" "cannot write below $run"
    upload_folder=$run/upload.$attempt.$nonce
}

# The bytes come on stdin, once the ready marker was seen. An attempt without any says ready, too: it tells the
# controller that root was had, whatever becomes of the rest of the answer.
receive_module() {
    module=$upload_folder/module.ko
    said=$(head -c "$size" 2>&1 >"$module") || refuse "$EXIT_DISK_FULL" "the module could not be written: $said"
    arrived=$(wc -c <"$module")
    [ "$((arrived))" -eq "$size" ] || refuse "$EXIT_MODULE_INVALID" "$((arrived)) of $size bytes arrived"
    hash=$(sha256sum <"$module") || refuse "$EXIT_MODULE_INVALID" "sha256sum failed on the host"
    [ "${hash%% *}" = "$sha256" ] || refuse "$EXIT_MODULE_INVALID" "the module arrived with another sha256: ${hash%% *}"
}

run_detached() {
    if command -v setsid >/dev/null 2>&1; then
        setsid sh "$upload_folder/worker.sh" "$@" </dev/null 2>/dev/null &
    else
        sh "$upload_folder/worker.sh" "$@" </dev/null 2>/dev/null &
    fi
}

# The worker says one line on the pipe and lets go of it: the substitution ends when the attempt has been claimed.
launch() {
    reply=$(run_detached "$@")
    rm -rf "$upload_folder"
    case $reply in
        refused\ *)
            reply=${reply#refused }
            answer refused "${reply%% *}" "${reply#* }"
            ;;
        *) answer_state ;;
    esac
    exit 0
}

# No upload for nothing. The lock of another start of this very attempt is no refusal.
stop_where_locked() {
    [ -d "$run/lock" ] && owner_lives "$run/lock" || return 0
    holder_attempt=$(value_of "$run/lock/attempt")
    case $holder_attempt in
        '') ;;
        "$attempt")
            answer_state
            exit 0
            ;;
        *) refuse "$EXIT_LOCKED" "$(value_of "$run/lock/controller") $holder_attempt" ;;
    esac
}

guard_start() {
    worker_text=$1
    shift
    read_arguments "$@"
    [ "$(call id -u)" = 0 ] || refuse "$EXIT_NEEDS_ROOT" "not root"
    { mkdir -p "$run" && chmod 0700 "$run"; } 2>/dev/null || refuse "$EXIT_DISK_FULL" "cannot make $run"
    look
    case $state in absent | starting) ;; *)
        answer_state
        exit 0
        ;;
    esac
    stop_where_locked
    make_upload_folder
    printf '\n%s ready\n' "$nonce"
    [ "$size" -eq 0 ] || receive_module
    launch "$@"
}

guard_start "$@"
