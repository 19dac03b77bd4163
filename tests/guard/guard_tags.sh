#!/bin/sh
# Every message in the error log carries a tag, JF and four digits, that stands for this
# message alone.
# shellcheck source=tests/guard/guard_common.sh
. "${srcdir:?is set by make check}/guard_common.sh"

# log_calls: lines "file:line statement" for every call of ap_log_*error.
log_calls() {
    files=$(c_files mod_jabberfiles)
    for file in $files; do
        awk -v file="$file" '
            /^[ \t]*#[ \t]*define/ { next }
            !inside && match($0, /(^|[^A-Za-z0-9_])ap_log_[a-z]*error(_)?[ \t]*\(/) {
                inside = 1; start = FNR; call = "" }
            inside { call = call " " $0 }
            inside && /;[ \t]*$/ { print file ":" start, call; inside = 0 }
            END { if (inside) print file ":" start, "never ends" }' "$top/$file"
    done
}

calls=$(log_calls)
need_floor "$(count_lines "$calls")" 10 "log messages"

tags=$(printf '%s\n' "$calls" | awk '
    { while (match($0, /JFLOGNO\([0-9]*\)/)) {
          print substr($0, RSTART + 8, RLENGTH - 9); $0 = substr($0, RSTART + RLENGTH) } }')
expect_none "message without JFLOGNO(nnnn)" \
    "$(printf '%s\n' "$calls" | awk '!/JFLOGNO\([0-9][0-9][0-9][0-9]\)/ { print $1 }')"
expect_none "tag used twice" "$(printf '%s\n' "$tags" | sort | uniq -d)"
finish
