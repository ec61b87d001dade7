# Creates and starts a PostgreSQL on loopback, for scripts that stop it or use it for a
# separately started server. Sourced by them, after set-up.sh.

# make_database FOLDER: a cluster in FOLDER/files of user `owner`, password `trial`.
# PostgreSQL does not run as root: for root it runs as `nobody`, who must have access to
# FOLDER.
make_database() {
    local folder=$1
    as_postgres=()
    [ "$(id -u)" != 0 ] || as_postgres=(setpriv --reuid nobody --regid nogroup --clear-groups)
    mkdir -m 700 "$folder"
    [ "$(id -u)" != 0 ] || chown nobody:nogroup "$folder"
    echo trial > "$folder.password"
    "${as_postgres[@]}" "$(find_postgres)/initdb" --username owner --pwfile "$folder.password" \
        --auth scram-sha-256 --no-locale --encoding UTF8 --pgdata "$folder/files" > "$folder.log" 2>&1 ||
        { cat "$folder.log" >&2; return 1; }
}

# start_database FOLDER PORT SETTING...: sets `database` to its process, a child; returns
# once it accepts connections.
start_database() {
    local folder=$1 port=$2 settings=() one lines
    shift 2
    lines=$(wc -l < "$folder.log")
    for one in "$@"; do settings+=(-c "$one"); done
    "${as_postgres[@]}" "$(find_postgres)/postgres" -D "$folder/files" -p "$port" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= -c fsync=off "${settings[@]}" >> "$folder.log" 2>&1 &
    database=$!
    for _ in $(seq 300); do
        grep -q 'ready to accept connections' <(tail -n +"$((lines + 1))" "$folder.log") && return
        kill -0 "$database" 2>/dev/null || break
        sleep 0.1
    done
    cat "$folder.log" >&2
    return 1
}
