#include "cli_table.h"

#include <errno.h>
#include <string.h>

#include <apr_strings.h>

#include "jf_ascii.h"
#include "jf_digest.h"
#include "jf_jid.h"
#include "jf_units.h"

/* Defines take_MEMBER for an option whose value is kept as it is. */
#define TAKE_TEXT(member)                                                                   \
    static jf_err_t *take_##member(options_t *options, const char *value, apr_pool_t *pool) \
    {                                                                                       \
        (void)pool;                                                                         \
        options->member = value;                                                            \
        return NULL;                                                                        \
    }

/* Defines take_MEMBER for an option without value. */
#define TAKE_FLAG(member)                                                                   \
    static jf_err_t *take_##member(options_t *options, const char *value, apr_pool_t *pool) \
    {                                                                                       \
        (void)value;                                                                        \
        (void)pool;                                                                         \
        options->member = 1;                                                                \
        return NULL;                                                                        \
    }

TAKE_TEXT(config)
TAKE_TEXT(jid)
TAKE_TEXT(url)
TAKE_TEXT(connect)
TAKE_FLAG(is_direct_tls)
TAKE_TEXT(ca)
TAKE_TEXT(name)
TAKE_TEXT(media_type)
TAKE_TEXT(message)
TAKE_FLAG(wants_sims)
TAKE_FLAG(is_direct)
TAKE_TEXT(listen)
TAKE_TEXT(output)
TAKE_TEXT(directory)
TAKE_FLAG(is_yes)
TAKE_FLAG(may_overwrite)
TAKE_FLAG(allows_private)
TAKE_TEXT(password_file)
TAKE_TEXT(password_command)
TAKE_FLAG(is_quiet)
TAKE_FLAG(is_json)
TAKE_FLAG(wants_help)
TAKE_FLAG(wants_version)

static jf_err_t *take_expires(options_t *options, const char *value, apr_pool_t *pool)
{
    return jf_units_parse_duration(&options->expire_us, value, pool);
}

static jf_err_t *take_max_size(options_t *options, const char *value, apr_pool_t *pool)
{
    return jf_units_parse_bytes(&options->max_size_bytes, value, pool);
}

static jf_err_t *take_max_time(options_t *options, const char *value, apr_pool_t *pool)
{
    return jf_units_parse_duration(&options->max_time_us, value, pool);
}

static jf_err_t *take_count(options_t *options, const char *value, apr_pool_t *pool)
{
    char *end = NULL;
    errno = 0;
    apr_int64_t count = jf_ascii_is_digit(value[0]) ? apr_strtoi64(value, &end, 10) : 0;
    if (count < 1 || errno != 0 || *end != '\0') {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "a number from 1 on is needed");
    }
    options->count = count;
    return NULL;
}

static int hex_value(char c)
{
    c = jf_ascii_lower(c);
    if (jf_ascii_is_digit(c)) {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static jf_err_t *take_sha256(options_t *options, const char *value, apr_pool_t *pool)
{
    unsigned char *sha256 = apr_palloc(pool, JF_SHA256_BYTES);
    int is_hex = strlen(value) == 2 * JF_SHA256_BYTES;
    for (int i = 0; is_hex && i < JF_SHA256_BYTES; i++) {
        int high = hex_value(value[2 * i]);
        int low = hex_value(value[2 * i + 1]);
        is_hex = high >= 0 && low >= 0;
        sha256[i] = (unsigned char)(is_hex ? high << 4 | low : 0);
    }
    if (!is_hex) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "64 hexadecimal digits are needed, as sha256sum prints them");
    }
    options->sha256 = sha256;
    return NULL;
}

static jf_err_t *take_auto_from(options_t *options, const char *value, apr_pool_t *pool)
{
    const char *jid = NULL;
    JF_TRY(jf_jid_prepare(&jid, value, pool));
    apr_array_header_t *all = apr_array_copy(pool, options->auto_from);
    APR_ARRAY_PUSH(all, const char *) = jid;
    options->auto_from = all;
    return NULL;
}

const cli_option_t cli_options[] = {
    {"expires", 0, CLI_TEXT, "DURATION", CLI_GROUP_UPLOAD,
     "let the file go after this time, as 12h or 7d",
     "Seconds, or a whole number with m, h, d or w. A server where files go earlier is not "
     "changed by it; one that cannot keep the promise is not used.",
     take_expires},
    {"name", 0, CLI_TEXT, "NAME", CLI_GROUP_UPLOAD, "what the others see as the file's name",
     "For one file only.", take_name},
    {"type", 0, CLI_TEXT, "TYPE", CLI_GROUP_UPLOAD,
     "the media type, if the name's ending does not tell it", NULL, take_media_type},
    {"message", 'm', CLI_TEXT, "TEXT", CLI_GROUP_TELL, "a text for the recipients",
     "Sent as a message of its own before the link, so that clients still show the link as a file.",
     take_message},
    {"sims", 0, CLI_NONE, NULL, CLI_GROUP_TELL, "tell it in the manner of XEP-0385, too",
     "For clients that know neither stateless file sharing (XEP-0447) nor jabber:x:oob.",
     take_wants_sims},
    {"direct", 0, CLI_NONE, NULL, CLI_GROUP_DIRECT,
     "from this machine to the recipient's, stored nowhere between",
     "Where that is not possible, or fails, the file is uploaded as without it.", take_is_direct},
    {"listen", 0, CLI_TEXT, "ADDRESS[:PORT]", CLI_GROUP_DIRECT | CLI_GROUP_RECEIVE,
     "use this address of the machine for direct transfers",
     "The default is the address of the connection to the Jabber server, and any free port. An "
     "IPv6 address with a port stands in brackets.",
     take_listen},
    {"output", 'o', CLI_FILE, "FILE", CLI_GROUP_GET, "save as FILE; \"-\" is standard output", NULL,
     take_output},
    {"directory", 'd', CLI_DIR, "DIR", CLI_GROUP_SAVE, "save in DIR (default: the current one)",
     NULL, take_directory},
    {"overwrite", 0, CLI_NONE, NULL, CLI_GROUP_SAVE, "replace an existing file", NULL,
     take_may_overwrite},
    {"sha256", 0, CLI_TEXT, "HEX", CLI_GROUP_GET, "keep the file only if this is its SHA-256", NULL,
     take_sha256},
    {"max-size", 0, CLI_TEXT, "SIZE", CLI_GROUP_SAVE, "refuse larger files, as 20M or 1.5G", NULL,
     take_max_size},
    {"max-time", 0, CLI_TEXT, "DURATION", CLI_GROUP_SAVE | CLI_GROUP_DIRECT,
     "give up a transfer after this time", "For one file; without it a direct one has a day.",
     take_max_time},
    {"auto-from", 0, CLI_TEXT, "JID", CLI_GROUP_RECEIVE, "download from this sender without asking",
     "May be given several times. Files above --max-size (100M if it is not given), and those "
     "whose size nobody tells, are not downloaded in this way. What such a sender offers to send "
     "here directly is taken as well, which shows the address of this machine, as a link can.",
     take_auto_from},
    {"count", 0, CLI_TEXT, "N", CLI_GROUP_RECEIVE, "end after N files", NULL, take_count},
    {"allow-private", 0, CLI_NONE, NULL, CLI_GROUP_LOOK,
     "follow links to private addresses as well",
     "Without it a link never makes this machine connect to a loopback, private, link-local or "
     "other address that is not on the public Internet, nor to ports where other services than "
     "web servers live.",
     take_allows_private},
    {"password-file", 0, CLI_FILE, "FILE", CLI_GROUP_LOGIN,
     "read the password from FILE, now and later",
     "Its first line. Nobody else may read it. Stored in place of the password.",
     take_password_file},
    {"password-command", 0, CLI_TEXT, "COMMAND", CLI_GROUP_LOGIN,
     "ask COMMAND for the password, now and later",
     "Run by /bin/sh, as in --password-command 'pass show jabber'; the first line that it prints "
     "is the password. Stored in place of the password.",
     take_password_command},
    {"yes", 'y', CLI_NONE, NULL, CLI_GROUP_ASK, "do not ask, the answer is yes", NULL, take_is_yes},
    {"jid", 'j', CLI_TEXT, "JID", 0, "the account (default: as configured)",
     "If it is not the configured one, the configured password is not used for it.", take_jid},
    {"url", 0, CLI_TEXT, "URL", 0, "where the file areas are, as https://files.example.org/files",
     NULL, take_url},
    {"connect", 0, CLI_TEXT, "HOST:PORT", 0, "the Jabber server, if DNS does not tell where it is",
     "Its certificate must be that of the account's domain all the same.", take_connect},
    {"direct-tls", 0, CLI_NONE, NULL, 0, "that server speaks TLS at once (XEP-0368)",
     "Together with --connect. TLS itself cannot be turned off.", take_is_direct_tls},
    {"ca", 0, CLI_FILE, "FILE", 0, "trust the authorities in FILE (PEM), too", NULL, take_ca},
    {"config", 0, CLI_FILE, "FILE", 0, "another configuration file", NULL, take_config},
    {"quiet", 'q', CLI_NONE, NULL, 0, "only results and errors", NULL, take_is_quiet},
    {"json", 0, CLI_NONE, NULL, 0, "one JSON object a line, for programs",
     "Results on standard output, warnings and errors on standard error. The member \"type\" says "
     "what an object tells.",
     take_is_json},
    {"help", 'h', CLI_NONE, NULL, 0, "print help, also that of a command", NULL, take_wants_help},
    {"version", 0, CLI_NONE, NULL, 0, "print the version", NULL, take_wants_version},
    {.name = NULL},
};
