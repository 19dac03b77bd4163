#!/bin/sh
# A setting is named once: the lists JFM_DIR_MEMBERS and JFM_SERVER_MEMBERS make the struct,
# its unset values and its merge. This proves that nothing goes round the lists.
# shellcheck source=tests/guard/guard_common.sh
. "${srcdir:?is set by make check}/guard_common.sh"

header=$top/mod_jabberfiles/mod_jabberfiles_private.h
code=$top/mod_jabberfiles/mod_jabberfiles_config.c
need_file "$header" "$code"

# list_lines LIST: the lines of the macro LIST, comments and continuation marks removed.
list_lines() {
    awk -v list="$1" '
        $1 == "#define" && index($2, list "(") == 1 { inside = 1; last = !/\\$/; next }
        inside { last = !/\\$/; sub(/[ \t]*\\$/, ""); sub(/\/\*.*\*\//, "")
                 gsub(/^[ \t]+|[ \t]+$/, ""); if ($0 != "") print }
        inside && last { inside = 0 }' "$header"
}

# members LINES: the names in lines "NUM(type, name)" and "PTR(type, name)".
members() {
    printf '%s\n' "$1" | sed -n 's/^[NP][UT][MR](.*, *\([a-z_0-9]*\))$/\1/p'
}

# wrong_kind LINES: pointers listed as numbers, and the other way round.
wrong_kind() {
    printf '%s\n' "$1" | awk '/^NUM\(.*\*/ || (/^PTR\(/ && !/\*/)'
}

# struct_body STRUCT: what stands between its braces.
struct_body() {
    awk -v name="$1" '
        $1 == "}" && inside { exit }
        inside { gsub(/^[ \t]+|[ \t]+$/, ""); print }
        $1 == "typedef" && $3 == name { inside = 1 }' "$header"
}

# occurrences TEXT FILE
occurrences() {
    awk -v text="$1" 'index($0, text) { n++ } END { print n + 0 }' "$2"
}

# unused MEMBERS: those that no file of the glue reads or writes by name.
unused() {
    for member in $1; do
        cat "$top"/mod_jabberfiles/mod_jabberfiles*.c |
            awk -v member="$member" '$0 ~ "->" member "([^a-z_0-9]|$)" { found = 1 }
                END { if (!found) print member }'
    done
}

# check LIST STRUCT FLOOR
check() {
    lines=$(list_lines "$1")
    names=$(members "$lines")
    need_floor "$(count_lines "$names")" "$3" "members in $1"
    [ "$(count_lines "$names")" -eq "$(count_lines "$lines")" ] ||
        die "$1 has lines that are neither NUM(type, name) nor PTR(type, name)"
    expect_none "named twice in $1" "$(printf '%s\n' "$names" | sort | uniq -d)"
    expect_none "NUM and PTR mixed up in $1" "$(wrong_kind "$lines")"
    expect_none "member of $1 that no code uses" "$(unused "$names")"
    expect_none "$2 has members beside $1" \
        "$(only_in "$(struct_body "$2")" "$1(JFM_DECLARE, JFM_DECLARE)")"
    for use in "$1(UNSET_NUM, UNSET_PTR)" "$1(MERGE_NUM, MERGE_PTR)"; do
        [ "$(occurrences "$use" "$code")" -eq 1 ] || die "$use is not in $code exactly once"
    done
    [ -n "$(struct_body "$2")" ] || die "no struct $2 in $header"
}

check JFM_DIR_MEMBERS jfm_dir_config_t 8
check JFM_SERVER_MEMBERS jfm_server_config_t 5
finish
