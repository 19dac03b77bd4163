#!/bin/sh
# What a token should be is compared with what came in constant time: time must not tell how much
# of a guess is right.
# shellcheck source=tests/guard/guard_common.sh
. "${srcdir:?is set by make check}/guard_common.sh"

# comparisons: lines "file:line VERDICT" for every function that computes the MAC of a slot.
comparisons() {
    files=$(c_files mod_jabberfiles)
    for file in $files; do
        awk -v file="$file" '
            /^\{/ { inside = 1; start = FNR; body = "" }
            inside { body = body " " $0 }
            /^}/ && inside {
                inside = 0
                if (body !~ /[^A-Za-z0-9_]jf_slot_hmac\(/) next
                rest = body
                constant = gsub(/CRYPTO_memcmp\(/, "", rest)
                other = rest ~ /(cmp|cmpn)\(/
                print file ":" start, (constant == 1 && !other ? "constant" : "leaks")
            }' "$top/$file"
    done
}

found=$(comparisons)
need_floor "$(count_lines "$found")" 2 "functions that compute MACs"
expect_none "a MAC is compared by CRYPTO_memcmp and by nothing else" \
    "$(printf '%s\n' "$found" | awk '$2 == "leaks" { print $1 }')"
finish
