# Waits for a server that a script has started, and finds free ports for one. Sourced by
# the scripts that measure or test one.

# Several servers may run on this machine, and nobody looks at their metrics.
export PIM_AUTHZ_HTTP_LISTEN=${PIM_AUTHZ_HTTP_LISTEN:-off}

# wait_until_served BINARY ADDRESS PROCESS LOG: ends the script, with the log, when
# the process is gone or does not serve within two minutes. The port alone is taken
# before the database is there. ADDRESS may be a URL.
wait_until_served() {
    local binary=$1 url=$2 process=$3 log=$4
    [[ $url == *://* ]] || url=http://$url
    for _ in $(seq 1200); do
        if "$binary" status --server "$url" >/dev/null 2>&1; then return; fi
        kill -0 "$process" 2>/dev/null || break
        sleep 0.1
    done
    cat "$log" >&2
    exit 1
}

# Prints a port of loopback that is free now, below those that systems give out.
free_port() {
    local port
    while port=$((20000 + RANDOM % 10000)); do
        (: < "/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}
