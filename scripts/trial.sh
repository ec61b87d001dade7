# Shared by the scripts `try-…`: temporary PostgreSQL clusters on loopback, servers of
# pim-authz on them, and the load generator that verifies their answers. Sourced by
# them, after `set -euo pipefail`, in the project's directory.

source scripts/set-up.sh
source scripts/serving.sh

has_postgres || die "PostgreSQL is missing; run scripts/test once, which installs it, or apt-get install postgresql"
# The target of a link, because the other programs are in its folder.
pg_bin=$(dirname "$(readlink -f "$(find_postgres)/initdb")")

work=$(mktemp -d)
declare -A clusters=()  # its directory, by name
declare -A pids=()      # servers, by name
load_pid=

# PostgreSQL refuses to run as root.
as_postgres=()
if [ "$(id -u)" = 0 ]; then
    as_postgres=(runuser -u postgres --)
    chown postgres "$work"
fi
chmod 755 "$work"

trial_ends() {
    local name
    [ -z "$load_pid" ] || kill "$load_pid" 2>/dev/null || true
    for name in "${!pids[@]}"; do
        kill "${pids[$name]}" 2>/dev/null || true
        wait "${pids[$name]}" 2>/dev/null || true
    done
    for name in "${!clusters[@]}"; do
        "${as_postgres[@]}" "$pg_bin/pg_ctl" stop -D "${clusters[$name]}" -m immediate > /dev/null 2>&1 || true
    done
    rm -rf "$work"
}
trap trial_ends EXIT
trap 'exit 130' INT TERM

# make_cluster NAME PORT: creates an empty cluster, with fsync, which trusts loopback.
make_cluster() {
    clusters[$1]=$work/$1
    "${as_postgres[@]}" "$pg_bin/initdb" -D "$work/$1" --username postgres --auth trust --no-sync > /dev/null
    "${as_postgres[@]}" tee -a "$work/$1/postgresql.conf" > /dev/null <<SETTINGS
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
port = $2
max_connections = 200
wal_level = replica
SETTINGS
}

# start_cluster NAME [SETTING...]: starts it, with settings for this start only.
start_cluster() {
    local name=$1 options= setting
    shift
    for setting in "$@"; do options+=" -c '$setting'"; done
    "${as_postgres[@]}" "$pg_bin/pg_ctl" start -w -D "${clusters[$name]}" -l "$work/$name.log" -o "$options" > /dev/null ||
        { tail -n 20 "$work/$name.log" >&2; die "PostgreSQL ($name) does not start"; }
}

# kill_cluster NAME: kills every process at once with SIGKILL, as if its machine failed.
kill_cluster() {
    local postmaster
    postmaster=$(head -n 1 "${clusters[$1]}/postmaster.pid")
    kill -STOP "$postmaster"
    # shellcheck disable=SC2046 # one word each
    kill -KILL "$postmaster" $(ps -o pid= --ppid "$postmaster")
    while kill -0 "$postmaster" 2>/dev/null; do sleep 0.02; done
    # Otherwise PostgreSQL checks whether it still runs. The killed cluster left no other trace.
    rm -f "${clusters[$1]}/postmaster.pid"
}

# sql PORT STATEMENT [DATABASE]
sql() {
    psql -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$1" -U postgres -d "${3:-authz}" -c "$2"
}

# make_database BINARY PORT: creates the database `authz` of `owner`, migrated, for `server`.
make_database() {
    sql "$2" "CREATE ROLE owner LOGIN CREATEROLE" postgres
    sql "$2" "CREATE ROLE server LOGIN" postgres
    sql "$2" "CREATE DATABASE authz OWNER owner" postgres
    "$1" migrate --database-url "postgresql://owner@127.0.0.1:$2/authz" --runtime-role authz_runtime > "$work/migrate.log" 2>&1 ||
        { cat "$work/migrate.log" >&2; die "the database cannot be migrated"; }
    sql "$2" "GRANT authz_runtime TO server" postgres
}

# serve NAME BINARY ADDRESS URL [OPTION...]: starts a server and waits until it answers.
# Calling it again with the same NAME restarts the server.
serve() {
    local name=$1 binary=$2 address=$3 url=$4 http=()
    shift 4
    # Releases that serve metrics all use one port unless it is set.
    if "$binary" serve --help 2>/dev/null | grep -q -- --http-listen; then http=(--http-listen off); fi
    "$binary" serve --listen "$address" --database-url "$url" "${http[@]}" "$@" 2>> "$work/$name.log" &
    pids[$name]=$!
    wait_until_served "$binary" "$address" "${pids[$name]}" "$work/$name.log"
}

# stop_server NAME: stops it gracefully with SIGTERM.
stop_server() {
    kill "${pids[$1]}"
    wait "${pids[$1]}" || die "the server $1 ended with status $?: $(tail -n 5 "$work/$1.log")"
    unset "pids[$1]"
}

# begin_load ARGUMENT...: starts the load; `load COMMAND` controls it, end_load ends it.
begin_load() {
    local python=${CARGO_TARGET_DIR:-target}/examples/python/bin/python
    generate_stubs "$work/stubs"
    mkfifo "$work/commands"
    "$python" scripts/trial_load.py "$work/stubs" "$@" < "$work/commands" 2> "$work/load.log" &
    load_pid=$!
    exec 9> "$work/commands"
    commands=0
}

# load COMMAND: waits until it has been executed, for at most two minutes.
load() {
    kill -0 "$load_pid" 2>/dev/null || die "the load ended by itself: $(tail -n 5 "$work/load.log")"
    echo "$*" >&9
    commands=$((commands + 1))
    for _ in $(seq 1200); do
        if [ "$(grep -c '^done$' "$work/load.log")" -ge "$commands" ]; then return; fi
        kill -0 "$load_pid" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$work/load.log" >&2
    die "the load did not carry out: $*"
}

# end_load: returns the exit status of the load.
end_load() {
    local status=0
    kill -0 "$load_pid" 2>/dev/null || die "the load ended by itself: $(tail -n 5 "$work/load.log")"
    echo end >&9
    wait "$load_pid" || status=$?
    load_pid=
    exec 9>&-
    if [ "$status" -gt 1 ]; then tail -n 20 "$work/load.log" >&2; fi
    return "$status"
}
