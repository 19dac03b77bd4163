#!/bin/sh
# Every directive of the command table is documented, nothing else is, and no example uses a
# directive that does not exist.
# shellcheck source=tests/guard/guard_common.sh
. "${srcdir:?is set by make check}/guard_common.sh"

table=$top/mod_jabberfiles/mod_jabberfiles_directives.c
reference=$top/doc/directives.md
need_file "$table" "$reference" "$top/README" "$top/conf/jabberfiles.conf"

# In the table a directive is the first argument of AP_INIT_...
in_table() {
    tr '\n' ' ' <"$table" |
        awk '{ while (match($0, /AP_INIT_[A-Z0-9_]+\([ \t]*"[A-Za-z]+"/)) {
                   name = substr($0, RSTART, RLENGTH); $0 = substr($0, RSTART + RLENGTH)
                   gsub(/.*\([ \t]*"|"$/, "", name); print name } }' | sort
}

# In the reference it is the first word of a heading or of a table row.
in_reference() {
    awk '/^(#+|\|) *`?JabberFiles/ { gsub(/^[#|]+ *`?/, ""); sub(/[^A-Za-z].*/, ""); print }' \
        "$reference" | sort -u
}

# In examples it begins a line, perhaps commented out.
in_examples() {
    awk '/^[ \t]*#?[ \t]*JabberFiles/ { sub(/^[ \t]*#?[ \t]*/, ""); sub(/[^A-Za-z].*/, ""); print }' \
        "$top/README" "$top"/doc/*.md "$top"/conf/*.conf | sort -u
}

code=$(in_table)
documented=$(in_reference)
used=$(in_examples)
need_floor "$(count_lines "$code")" 11 "directives in the command table"
need_floor "$(count_lines "$documented")" 11 "directives in doc/directives.md"
need_floor "$(count_lines "$used")" 4 "directives in examples"

expect_none "twice in the command table" "$(printf '%s\n' "$code" | uniq -d)"
expect_none "not documented in doc/directives.md" "$(only_in "$code" "$documented")"
expect_none "documented, but no directive" "$(only_in "$documented" "$code")"
expect_none "used in an example, but no directive" "$(only_in "$used" "$code")"
finish
