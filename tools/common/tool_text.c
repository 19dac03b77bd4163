#include "tool_text.h"

#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>
#include <unictype.h>
#include <unistr.h>
#include <uniwidth.h>

#include "jf_digest.h"
#include "jf_units.h"

/* One character takes at most this much: \u{10ffff}. */
#define VISIBLE_BYTES_MAX 10

static int is_hidden(ucs4_t uc)
{
    return uc_is_property_bidi_control(uc) ||
           uc_is_general_category_withtable(uc, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Zl |
                                                    UC_CATEGORY_MASK_Zp);
}

const char *tool_text_visible(const char *text, apr_pool_t *pool)
{
    const uint8_t *in = (const uint8_t *)text;
    size_t left = strlen(text);
    char *visible = apr_palloc(pool, left * VISIBLE_BYTES_MAX + 1);
    char *out = visible;
    while (left > 0) {
        ucs4_t uc;
        int length = u8_mbtoucr(&uc, in, left);
        if (length < 0) {
            length = 1;
            out += apr_snprintf(out, VISIBLE_BYTES_MAX + 1, "\\x%02x", *in);
        } else if (is_hidden(uc)) {
            out += apr_snprintf(out, VISIBLE_BYTES_MAX + 1, "\\u{%x}", (unsigned)uc);
        } else if (uc == '\\') {
            *out++ = '\\';
            *out++ = '\\';
        } else {
            memcpy(out, in, (size_t)length);
            out += length;
        }
        in += length;
        left -= (size_t)length;
    }
    *out = '\0';
    return visible;
}

int tool_text_width(const char *visible)
{
    return u8_strwidth((const uint8_t *)visible, "UTF-8");
}

const char *tool_text_exact_bytes(apr_int64_t bytes, apr_pool_t *pool)
{
    const char *rounded = jf_units_format_bytes(bytes, pool);
    if (bytes < 1024) {
        return rounded;
    }
    return apr_psprintf(pool, "%s (%" APR_INT64_T_FMT " bytes)", rounded, bytes);
}

json_t *tool_text_json(const char *text, apr_pool_t *pool)
{
    json_t *string = json_string(text);
    return string ? string : json_string(tool_text_visible(text, pool));
}

json_t *tool_text_json_time(apr_time_t time_us, apr_pool_t *pool)
{
    return time_us == JF_NEVER ? json_null() : json_string(jf_units_format_time(time_us, pool));
}

json_t *tool_text_json_sha256(const unsigned char *sha256, apr_pool_t *pool)
{
    return sha256 ? json_string(apr_pescape_hex(pool, sha256, JF_SHA256_BYTES, 0)) : json_null();
}
