# For scripts/setup: a Python that fits, and a virtual environment with pip. Sourced by sh.
#
# Debian splits Python: `python3` may come without `venv`'s ensurepip (package python3-venv). As root that package is
# installed; otherwise Debian's own pip is downloaded by apt into a private folder, which needs no rights.

# Newer ones have no wheels of all packages yet.
fits='import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))'

# Sets $python.
find_python() {
    python=$(first_python)
    [ -n "$python" ] && return
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        say "installing Debian's python3 and python3-venv"
        install_packages python3 python3-venv
        python=$(first_python)
    fi
    [ -n "$python" ] || fail "no Python 3.11 to 3.14 was found. Run \`apt-get install python3 python3-venv\` as root, or
name one in TIDEGATE_PYTHON."
}

first_python() {
    for candidate in ${TIDEGATE_PYTHON:-python3 python3.13 python3.12 python3.11 /usr/bin/python3}; do
        if path=$(command -v "$candidate") && "$path" -c "$fits" 2> /dev/null; then
            printf '%s\n' "$path"
            return
        fi
    done
}

make_venv() {
    if "$python" -c 'import ensurepip' 2> /dev/null; then
        quietly "$python" -m venv --clear .venv || fail "the virtual environment could not be made (above)"
    elif [ "$(id -u)" = 0 ]; then
        say "installing Debian's python3-venv"
        install_packages python3-venv
        quietly "$python" -m venv --clear .venv || fail "the virtual environment could not be made (above)"
    else
        make_venv_with_private_pip
    fi
}

make_venv_with_private_pip() {
    say "python3-venv is missing and this is not root: taking Debian's pip into .venv alone"
    quietly "$python" -m venv --clear --without-pip .venv || fail "the virtual environment could not be made (above)"
    work=$(mktemp -d)
    download_packages "$work" python3-pip-whl
    wheel=$(find "$work/tree" -name 'pip-*.whl' | head -n 1)
    [ -n "$wheel" ] || fail "Debian's python3-pip-whl holds no pip. Run \`apt-get install python3-venv\` as root."
    quietly .venv/bin/python "$wheel/pip" install --no-index --no-deps --disable-pip-version-check "$wheel" \
        || fail "pip could not be installed into .venv (above)"
    rm -rf "$work"
}

install_packages() {
    # A fresh container has no package lists.
    quietly apt-get -q update || fail "apt-get update failed (above)"
    DEBIAN_FRONTEND=noninteractive quietly apt-get install -q -y --no-install-recommends "$@" \
        || fail "apt-get could not install $* (above)"
}

# Download packages of this machine's own release without any rights, and unpack them into $1/tree.
download_packages() {
    folder=$1
    shift
    command -v apt-get > /dev/null || fail "apt-get is missing: install python3-venv by hand, or set TIDEGATE_PYTHON."
    mkdir -p "$folder/state/lists/partial" "$folder/cache/archives/partial" "$folder/tree"
    cat > "$folder/apt.conf" << SETTINGS
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State "$folder/state/";
Dir::State::status "/dev/null";
Dir::Cache "$folder/cache/";
APT::Sandbox::User "root";
SETTINGS
    quietly apt-get -c "$folder/apt.conf" -q update || fail "apt-get update failed (above)"
    (cd "$folder" && quietly apt-get -c "$folder/apt.conf" -q download "$@") \
        || fail "apt-get could not download $* (above)"
    for file in "$folder"/*.deb; do
        dpkg-deb --extract "$file" "$folder/tree"
    done
}
