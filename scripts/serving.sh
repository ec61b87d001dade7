# Waits for a server that a script has started, and finds free ports for one. Sourced by
# the scripts that measure or test one.

# Several servers may run on this machine, and their metrics are not read.
export PIM_AUTHZ_HTTP_LISTEN=${PIM_AUTHZ_HTTP_LISTEN:-off}

# wait_until_served BINARY ADDRESS PROCESS LOG: ends the script, with the log, when the
# process has ended or does not serve within two minutes. An open port is not enough: it
# is opened before the database is available. ADDRESS may be a URL.
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

# Prints a loopback port that is free now, below the range of ephemeral ports.
free_port() {
    local port
    while port=$((20000 + RANDOM % 10000)); do
        (: < "/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# generate_stubs DIRECTORY: writes Python's messages and clients of the contract.
generate_stubs() {
    local python=${CARGO_TARGET_DIR:-target}/examples/python/bin/python
    "$python" -c 'import grpc_tools, google.rpc.status_pb2' 2>/dev/null || scripts/prepare-examples
    "$python" -c 'import grpc_tools, google.rpc.status_pb2' || { echo "Python's packages are missing (scripts/prepare-examples)" >&2; return 1; }
    mkdir "$1"
    "$python" -m grpc_tools.protoc -I proto -I "$("$python" -c 'import google.rpc, os; print(os.path.dirname(os.path.dirname(os.path.dirname(google.rpc.__path__[0] + "/"))))')" \
        --python_out="$1" --grpc_python_out="$1" proto/pim/authz/v1/*.proto
}
