# Installs what a build and its tests need if it is missing: a C compiler, the
# certificates with which cargo verifies downloads, and PostgreSQL, all from the
# distribution. Sourced by the other scripts.

die() {
    echo "error: $*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# Prints the folder of PostgreSQL's programs, found as in the program
# (src/embedded/binaries.rs).
find_postgres() {
    local initdb folder
    if has initdb; then
        dirname "$(command -v initdb)"
        return
    fi
    if has pg_config; then
        folder=$(pg_config --bindir 2>/dev/null || true)
        if [ -x "$folder/initdb" ]; then
            echo "$folder"
            return
        fi
    fi
    for initdb in /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb \
        /usr/libexec/postgresql*/initdb /usr/lib/postgresql*/bin/initdb \
        /usr/lib64/postgresql*/bin/initdb /usr/local/pgsql/bin/initdb \
        /opt/homebrew/opt/postgresql@*/bin/initdb /usr/local/opt/postgresql@*/bin/initdb; do
        if [ -x "$initdb" ]; then
            dirname "$initdb"
            return
        fi
    done
    return 1
}

has_postgres() {
    find_postgres >/dev/null
}

# Other distributions have them elsewhere, and always install them.
has_certificates() {
    ! has apt-get || [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -n "${CARGO_HTTP_CAINFO:-}${SSL_CERT_FILE:-}" ]
}

# Installs packages with apt, as root or with sudo.
install_packages() {
    local as_root=()
    has apt-get || die "$* missing, and there is no apt-get to install it with; install it, then come again"
    if [ "$(id -u)" != 0 ]; then
        has sudo || die "$* missing; install it as root: apt-get install $*"
        as_root=(sudo)
        # Without a terminal no password can be entered.
        [ -t 0 ] || as_root=(sudo -n)
    fi
    echo "installing $*"
    "${as_root[@]}" apt-get update -qq </dev/null ||
        echo "warning: apt-get update failed; trying with the package lists at hand" >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" </dev/null ||
        die "cannot install $*; install it as root: apt-get install $*"
}

set_up() {
    local missing=()
    if ! has cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH="$HOME/.cargo/bin:$PATH"
    fi
    has cargo || die "the Rust toolchain is missing; install it from https://rustup.rs"
    has cc || missing+=(build-essential)
    has_certificates || missing+=(ca-certificates)
    has_postgres || missing+=(postgresql)
    if [ "${#missing[@]}" -gt 0 ]; then
        install_packages "${missing[@]}"
    fi
    has_postgres || die "PostgreSQL was installed, but its program initdb is not found"
}
