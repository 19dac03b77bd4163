#!/bin/sh
# No reminders are left in the sources, and no file is too long to read.
# shellcheck source=tests/guard/guard_common.sh
. "${srcdir:?is set by make check}/guard_common.sh"

longest=600
need_file "$top/README" "$top/HACKING" "$top/NEWS"

texts() {
    (cd "$top" && find mod_jabberfiles tools conf doc m4 tests bootstrap configure.ac Makefile.am \
        README HACKING NEWS -path tests/fuzz/corpus -prune -o -type f \
        '(' -name '*.[ch1-8]' -o -name '*.py' -o -name '*.sh' -o -name '*.sql' -o -name '*.awk' \
        -o -name '*.am' -o -name '*.ac' -o -name 'jf_*.m4' -o -name '*.md' -o -name '*.conf' \
        -o -name bootstrap -o -name README -o -name HACKING -o -name NEWS ')' -print) | sort
}

# reminders FILES
reminders() {
    for file in $1; do
        awk -v file="$file" '/(^|[^A-Za-z0-9_])(TO[D]O|FIX[M]E|XX[X])([^A-Za-z0-9_]|$)/ {
            print file ":" FNR ": " $0 }' "$top/$file"
    done
}

# long_files FILES
long_files() {
    for file in $1; do
        awk -v file="$file" -v longest="$longest" \
            'END { if (NR > longest) print file " has " NR " lines" }' "$top/$file"
    done
}

files=$(texts)
need_floor "$(count_lines "$files")" 80 "texts"
expect_none "unfinished business" "$(reminders "$files")"
expect_none "longer than $longest lines" "$(long_files "$files")"
finish
