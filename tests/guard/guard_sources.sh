#!/bin/sh
# Every source stands in a Makefile.am: what is not listed is missing in the release.
# shellcheck source=tests/guard/guard_common.sh
. "${srcdir:?is set by make check}/guard_common.sh"

sources() {
    (cd "$top" && find mod_jabberfiles tools conf tests -type f \
        '(' -name '*.[ch]' -o -name '*.py' -o -name '*.sh' -o -name '*.sql' -o -name '*.awk' \
        -o -name '*.conf' -o -name '*.[1-8]' ')') | sort
}

# lists MAKEFILE NAME: 0 if NAME is a word of MAKEFILE.
lists() {
    [ -r "$1" ] && awk -v name="$2" '
        { for (i = 1; i <= NF; i++) if ($i == name) found = 1 }
        END { exit !found }' "$1"
}

# unlisted FILES: those that neither their own directory's Makefile.am nor one above lists.
unlisted() {
    for file in $1; do
        dir=${file%/*}
        name=${file##*/}
        while ! lists "$top/$dir/Makefile.am" "$name"; do
            case $dir in
            .) echo "$file" && break ;;
            */*) name=${dir##*/}/$name && dir=${dir%/*} ;;
            *) name=$dir/$name && dir=. ;;
            esac
        done
    done
}

files=$(sources)
need_floor "$(count_lines "$files")" 60 "sources"
expect_none "in no Makefile.am" "$(unlisted "$files")"
finish
