# shellcheck shell=sh
# For the scripts beside it: how they speak. Sourced by sh; needs $steps where step is used.

say() {
    printf '      %s\n' "$*"
}

# step NUMBER TEXT
step() {
    printf '[%s/%s] %s\n' "$1" "${steps:?}" "$2"
}

done_with() {
    say "$*"
}

fail() {
    printf '\n%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Run a command; show what it printed only if it fails.
quietly() {
    if output=$("$@" 2>&1 < /dev/null); then
        return 0
    fi
    printf '%s\n' "$output" >&2
    return 1
}

# Where Tidegate installs what it runs. The installer in src/tidegate/dataplane/install looks in the same order.
cache_folder() {
    cache=${TIDEGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tidegate}
    case $cache in
        /*) printf '%s\n' "$cache" ;;
        *) printf '%s/%s\n' "$PWD" "$cache" ;;
    esac
}
