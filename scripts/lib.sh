# For the scripts beside it: how they speak. Sourced by sh; needs $steps where step is used.

say() {
    printf '      %s\n' "$*"
}

step() {
    printf '[%s/%s] %s\n' "$1" "$steps" "$2"
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
