# shellcheck shell=sh
# What the guards share. A guard reads the sources, prints one line for each violation and
# fails if there is any. It also fails if it finds less to look at than its floor: a guard
# that has lost its subject must not pass.
set -eu
export LC_ALL=C

guard=${0##*/}
top=${srcdir:?is set by make check}/../..
violations=0

die() {
    echo "$guard: $*" >&2
    exit 1
}

# need_file FILE...: what cannot be read cannot be guarded.
need_file() {
    for needed; do
        [ -r "$needed" ] || die "cannot read $needed"
    done
}

# need_floor COUNT FLOOR WHAT
need_floor() {
    [ "$1" -ge "$2" ] || die "found only $1 $3, expected at least $2"
    echo "$guard: $1 $3"
}

# expect_none RULE LINES: each line of LINES is a violation of RULE.
expect_none() {
    if [ -n "$2" ]; then
        echo "$guard: $1:"
        echo "$2" | sed 's/^/    /'
        violations=$((violations + 1))
    fi
}

# finish: the guard's exit code.
finish() {
    [ "$violations" -eq 0 ] || die "$violations rule(s) violated"
}

# count_lines TEXT: lines of TEXT that are not empty.
count_lines() {
    printf '%s\n' "$1" | awk 'NF { n++ } END { print n + 0 }'
}

# only_in FIRST SECOND: words, one a line, of FIRST that SECOND lacks.
only_in() {
    printf '%s\n' "$1" | awk -v known="$2" '
        BEGIN { n = split(known, words, "\n"); for (i = 1; i <= n; i++) has[words[i]] = 1 }
        NF && !($0 in has)'
}

# c_files DIR...: C sources and headers below top/DIR, paths from the top.
c_files() {
    for dir; do
        (cd "$top" && find "$dir" -name '*.[ch]' -type f) || die "cannot list $dir"
    done | sort
}
