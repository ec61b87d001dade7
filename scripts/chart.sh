# Installs the tools that render and check the chart, once, into target/chart: helm as a
# Go module (HELM=PROGRAM uses another), Python packages (helm/tests/requirements.txt),
# and promtool from Debian's package if it is not installed. Each download is limited to
# ten minutes. Sourced by the other scripts, after set-up.sh.

helm_version=v4.3.1
patience=(timeout 600)
prepared=$(realpath -m "${CARGO_TARGET_DIR:-target}/chart")
mkdir -p "$prepared"

# Ends the script with status 3, because nothing can be checked without this tool.
stop_without() {
    echo "not run: $0: $*"
    exit 3
}

prepare_helm() {
    export HELM=${HELM:-$prepared/$helm_version/helm}
    if has "$HELM"; then return; fi
    has go || stop_without "there is no go here to build helm with"
    echo "building helm $helm_version in $prepared"
    GOBIN=$prepared/$helm_version "${patience[@]}" go install "helm.sh/helm/v4/cmd/helm@$helm_version" ||
        stop_without "helm cannot be built"
}

# Sets `python`.
prepare_python() {
    python=$prepared/python/bin/python
    if cmp -s helm/tests/requirements.txt "$prepared/requirements.txt" &&
        "$python" -c 'import kubernetes_validate, pytest' 2>/dev/null; then return; fi
    has python3 || stop_without "there is no python3 here"
    rm -rf "$prepared/python" "$prepared/requirements.txt"
    python3 -m venv "$prepared/python" || stop_without "python3 has no venv (Debian: python3-venv)"
    echo "installing Python packages in $prepared/python"
    "${patience[@]}" "$python" -m pip install --quiet --disable-pip-version-check -r helm/tests/requirements.txt ||
        stop_without "the Python packages cannot be installed"
    cp helm/tests/requirements.txt "$prepared/requirements.txt"
}

# Exports PROMTOOL, unless it is not available. Only this program is taken from Debian's
# package, since installing the package starts a Prometheus.
prepare_promtool() {
    local downloaded=$prepared/prometheus/usr/bin/promtool
    if has promtool; then
        export PROMTOOL=promtool
        return
    fi
    if [ ! -x "$downloaded" ] && has apt-get && has dpkg-deb; then
        echo "downloading promtool in $prepared"
        (cd "$prepared" && rm -f prometheus_*.deb &&
            "${patience[@]}" apt-get download -qq prometheus >/dev/null 2>&1 &&
            dpkg-deb -x prometheus_*.deb prometheus) || true
    fi
    if "$downloaded" --version >/dev/null 2>&1; then export PROMTOOL=$downloaded; fi
}
