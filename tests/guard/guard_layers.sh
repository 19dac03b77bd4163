#!/bin/sh
# The prefix of a file is its layer: jf_* is a plain library that knows nothing of httpd,
# mod_jabberfiles* is the glue, tools use the library. Within the library the arrows below
# are all there are.
# shellcheck source=tests/guard/guard_common.sh
. "${srcdir:?is set by make check}/guard_common.sh"

leaves="jf_err jf_units jf_jid jf_area jf_names jf_media jf_digest jf_token jf_period"

# may_include STEM: the library headers that STEM.c and STEM.h may include beside their own.
# The store and the ledger do not know each other; jf_service orders them.
may_include() {
    case $1 in
    jf_err | jf_ascii | jf_secret | jf_version | jf_statements | jf_schema_sql) echo ;;
    jf_token | jf_precis | jf_base64) echo jf_err ;;
    jf_domain) echo jf_err jf_ascii jf_jid ;;
    jf_login) echo jf_err jf_ascii jf_base64 jf_secret ;;
    jf_guess) echo jf_err jf_token ;;
    jf_period) echo jf_err jf_units ;;
    jf_socket) echo jf_units ;;
    jf_units | jf_digest) echo jf_err jf_ascii ;;
    jf_alive) echo jf_err jf_token ;;
    jf_jid) echo jf_err jf_ascii jf_precis ;;
    jf_names) echo jf_err jf_ascii jf_jid ;;
    jf_area) echo jf_err jf_ascii jf_jid jf_names ;;
    jf_slot | jf_slot_*) echo "$leaves jf_ascii jf_base64 jf_slot jf_slot_private" ;;
    jf_media) echo jf_err jf_ascii jf_names ;;
    jf_sqlite) echo jf_err jf_digest ;;
    jf_sqlite_stamp) echo jf_sqlite ;;
    jf_schema) echo jf_err jf_area jf_sqlite jf_schema_sql ;;
    jf_store | jf_store_*) echo "$leaves jf_store jf_store_private" ;;
    jf_ballast) echo jf_err ;;
    jf_ledger_*) echo "$leaves jf_ballast jf_sqlite jf_sqlite_stamp jf_ledger" \
        "jf_ledger_links jf_ledger_private jf_ledger_traffic jf_statements" ;;
    jf_traffic | jf_traffic_* | jf_transfer) echo "$leaves jf_ledger jf_ledger_traffic jf_traffic" \
        "jf_traffic_private" ;;
    jf_ledger) echo "$leaves jf_ballast jf_sqlite jf_schema jf_ledger_private jf_statements" ;;
    jf_service) echo jf_err jf_alive jf_ledger jf_store jf_traffic ;;
    jf_upload | jf_sweep) echo "$leaves jf_service" ;;
    *) echo unknown ;;
    esac
}

# includes DIR: lines "file header" for every #include below DIR.
includes() {
    files=$(c_files "$1")
    for file in $files; do
        awk -v file="$file" '/^[ \t]*#[ \t]*include/ {
            sub(/^[^<"]*[<"]/, ""); sub(/[>"].*/, ""); print file, $0 }' "$top/$file"
    done
}

# matching LINES FILES HEADERS: those includes whose file and header match the two patterns.
matching() {
    printf '%s\n' "$1" | awk -v files="$2" -v headers="$3" \
        'NF && $1 ~ files && $2 ~ headers { print $1 " includes " $2 }'
}

# wrong_arrows LINES: includes between library files that may_include does not allow.
wrong_arrows() {
    printf '%s\n' "$1" | while read -r file header; do
        case $file in mod_jabberfiles/jf_*) ;; *) continue ;; esac
        case $header in jf_*) ;; *) continue ;; esac
        stem=${file##*/} && stem=${stem%.?}
        allowed=$(may_include "$stem")
        case " $allowed $stem " in
        *" ${header%.h} "*) ;;
        *" unknown "*) echo "$file is in no layer: give it a line in $guard" ;;
        *) echo "$file includes $header" ;;
        esac
    done
}

module=$(includes mod_jabberfiles)
tools=$(includes tools)
units=$(includes tests/unit)
all=$(printf '%s\n%s\n%s\n' "$module" "$tools" "$units")

library='^mod_jabberfiles/jf_'
httpd='^(httpd|http_(config|connection|core|log|main|protocol|request|vhost)|ap_.*|util_.*|mod_.*|mpm_.*|scoreboard|unixd)[.]h$'

need_floor "$(count_lines "$(matching "$module" "$library" .)")" 40 "includes in the library"
need_floor "$(count_lines "$(matching "$module" '/mod_' "$httpd")")" 5 "includes of httpd's headers"
need_floor "$(count_lines "$tools")" 5 "includes in the tools"

expect_none "the library never includes httpd's headers" \
    "$(matching "$all" "$library|^tests/unit/" "$httpd")"
expect_none "the tools never include the module's headers" \
    "$(matching "$tools" . '(^|/)mod_')"
expect_none "what talks to other servers never comes into httpd" \
    "$(matching "$module" . '^(strophe|curl|event2?|ares|expat)([.]h$|/)')"
expect_none "in jabberfilesd, a login knows nothing of who wants it" \
    "$(matching "$tools" '/xmpp_' '^daemon_')"
expect_none "in jabberfiles, libcurl is the business of http*" \
    "$(matching "$tools" '/jabberfiles/' '^curl/' | grep -v '^tools/jabberfiles/http[._]' || :)"
expect_none "in jabberfiles, HTTP knows nothing of XMPP" \
    "$(matching "$tools" '/(http|fetch|part_file|save_name|serve|source_file|take_http)[._]' \
        '^(strophe|xmpp_.*|jingle.*)[.]h$')"
expect_none "in jabberfiles, SOCKS and the bytes of a stream know no stanzas" \
    "$(matching "$tools" '/bytestream_(connect|move|socks|wait)[.]' '^(strophe|xmpp_.*|jingle.*|si.*)[.]h$')"
expect_none "in jabberfiles, libmicrohttpd is the business of serve* and take_http" \
    "$(matching "$tools" '/jabberfiles/' '^microhttpd[.]h$' |
        grep -v -e '^tools/jabberfiles/serve_' -e '^tools/jabberfiles/take_http[.]' || :)"
expect_none "in socketstreamer, what moves bytes knows nothing of who may have it moved" \
    "$(matching "$tools" '/socketstreamer/relay_' '^(strophe|service_.*|xmpp_.*|tool_.*)[.]h$')"
expect_none "in socketstreamer, libstrophe is the business of the component and of stanzas" \
    "$(matching "$tools" '/socketstreamer/' '^strophe[.]h$' |
        grep -v '^tools/socketstreamer/service_\(component\|stanza\)[.]' || :)"
expect_none "in socketstreamer, get knows nothing of the relay's streams" \
    "$(matching "$tools" '/socketstreamer/get_' \
        '^(strophe|service_.*|relay_(peer|private|pump|streams?|users))[.]h$')"
expect_none "in socketstreamer, the relay knows nothing of get" \
    "$(matching "$tools" '/socketstreamer/(relay|service)_' '^(get.*|microhttpd)[.]h$')"
expect_none "what all tools share knows none of them" \
    "$(matching "$tools" '/common/' '^(admin|cli|client|daemon|get|http|relay|service|xmpp)[._]' |
        grep -v ' includes xmpp_stanza[.]h$' || :)"
expect_none "SQLite is the ledger's business" \
    "$(matching "$all" '/mod_' '^(sqlite3|jf_sqlite|jf_schema)[.]h$')"
expect_none "private headers stay with their files" \
    "$(matching "$all" '/mod_|^tools' '^jf_.*_private[.]h$')"
expect_none "an include against the direction of the layers" "$(wrong_arrows "$module")"
finish
