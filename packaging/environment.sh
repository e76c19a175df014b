# Sourced by run, test, check and packaging/build: make_environment EXTRAS [FOLDER] makes .venv (or FOLDER) and sets $python.

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.10 python3; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    echo "Facet needs Python 3.10, 3.11 or 3.12. On Debian or Ubuntu: sudo apt-get install python3 python3-venv" >&2
    return 4
}

make_environment() {
    local extras=$1 folder=${2:-$here/.venv} base stamp wanted
    python="$folder/bin/python"
    stamp="$folder/facet-$(echo "$extras" | tr ',' '-')"
    wanted=$(cat "$here/pyproject.toml" "$here/packaging/constraints.txt" | cksum)
    if [ -x "$python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    # An environment without pip was left by an interrupted start.
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        rm -rf "$folder"
        base=$(find_python) || exit 4
        echo "Making Facet's environment; this takes a few minutes once." >&2
        if ! "$base" -m venv "$folder" >&2; then
            rm -rf "$folder"
            echo "The environment could not be made. On Debian or Ubuntu: sudo apt-get install python3-venv" >&2
            exit 4
        fi
    fi
    # torch first and by its exact version: later packages then leave it alone.
    if ! "$python" -m pip install --quiet --disable-pip-version-check \
        --constraint "$here/packaging/constraints.txt" "torch==2.13.0" >&2 ||
        ! "$python" -m pip install --quiet --disable-pip-version-check \
            --constraint "$here/packaging/constraints.txt" --editable "$here[$extras]" >&2; then
        echo "Installing Facet's packages failed; see the lines above, check the network and start again." >&2
        exit 4
    fi
    echo "$wanted" >"$stamp"
}
