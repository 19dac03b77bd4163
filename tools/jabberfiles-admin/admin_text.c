#include "admin_text.h"

#include <string.h>

#include <apr_encode.h>
#include <apr_strings.h>
#include <unictype.h>
#include <unistr.h>
#include <uniwidth.h>

#include "jf_ascii.h"
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

const char *admin_text_visible(const char *text, apr_pool_t *pool)
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

int admin_text_width(const char *visible)
{
    return u8_strwidth((const uint8_t *)visible, "UTF-8");
}

const char *admin_text_exact_bytes(apr_int64_t bytes, apr_pool_t *pool)
{
    const char *rounded = jf_units_format_bytes(bytes, pool);
    if (bytes < 1024) {
        return rounded;
    }
    return apr_psprintf(pool, "%s (%" APR_INT64_T_FMT " bytes)", rounded, bytes);
}

const char *admin_text_period(jf_period_t period, apr_pool_t *pool)
{
    const char *text = jf_period_format(period, pool);
    return jf_ascii_is_digit(*text) ? apr_pstrcat(pool, text, " seconds", NULL) : text;
}

const char *admin_text_quota(const jf_area_t *area, apr_pool_t *pool)
{
    return area->quota_bytes == JF_QUOTA_DEFAULT ? "default"
                                                 : jf_units_format_bytes(area->quota_bytes, pool);
}

const char *admin_text_sha256(const unsigned char *sha256, apr_pool_t *pool)
{
    return apr_pencode_base16_binary(pool, sha256, JF_SHA256_BYTES, APR_ENCODE_LOWER, NULL);
}
