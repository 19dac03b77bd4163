#!/bin/sh
# Functions that hide errors, overrun buffers or share state between threads are not called.
# shellcheck source=tests/guard/guard_common.sh
. "${srcdir:?is set by make check}/guard_common.sh"

banned='atoi|atol|atoll|atof|sprintf|vsprintf|strcpy|strcat|gets|strtok|localtime|gmtime|ctime|asctime|strerror|tmpnam|mktemp'

# banned_calls FILES
banned_calls() {
    for file in $1; do
        awk -v file="$file" -v pattern="(^|[^A-Za-z0-9_])($banned)[ \t]*[(]" \
            '$0 ~ pattern { print file ":" FNR ": " $0 }' "$top/$file"
    done
}

files=$(c_files mod_jabberfiles tools tests)
need_floor "$(count_lines "$files")" 40 "C files"
expect_none "banned function" "$(banned_calls "$files")"
finish
