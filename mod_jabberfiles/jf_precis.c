#include "jf_precis.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#define ZERO_WIDTH_NON_JOINER 0x200C
#define ZERO_WIDTH_JOINER 0x200D
#define IDEOGRAPHIC_FULL_STOP 0x3002

/** Characters in a pool. */
typedef struct chars_t {
    uint32_t *at;
    size_t count;
} chars_t;

/** Moves a result of libunistring, which is from malloc(3), to @a pool. NULL: errno has the cause.
 */
static jf_err_t *take_result(chars_t *chars, uint32_t *result, size_t count, apr_pool_t *pool)
{
    if (!result) {
        return jf_err_from_system(errno, pool, "cannot convert Unicode text");
    }
    chars->at = apr_pmemdup(pool, result, count * sizeof(*result));
    chars->count = count;
    free(result);
    return NULL;
}

static jf_err_t *decode(chars_t *chars, const char *text, apr_pool_t *pool)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t length = strlen(text);
    if (u8_check(bytes, length)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "the Jabber ID is not valid UTF-8");
    }
    size_t count;
    uint32_t *decoded = u8_to_u32(bytes, length, NULL, &count);
    return take_result(chars, decoded, count, pool);
}

static jf_err_t *encode(const char **text, const chars_t *chars, apr_pool_t *pool)
{
    size_t length;
    uint8_t *bytes = u32_to_u8(chars->at, chars->count, NULL, &length);
    if (!bytes) {
        return jf_err_from_system(errno, pool, "cannot convert Unicode text");
    }
    *text = apr_pstrmemdup(pool, (const char *)bytes, length);
    free(bytes);
    return NULL;
}

/** Replaces full-width and half-width variants, in place. */
static void map_width(chars_t *chars)
{
    for (size_t i = 0; i < chars->count; i++) {
        ucs4_t mapping[UC_DECOMPOSITION_MAX_LENGTH];
        int tag;
        int length = uc_decomposition(chars->at[i], &tag, mapping);
        if (length == 1 && (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW)) {
            chars->at[i] = mapping[0];
        }
    }
}

static jf_err_t *map_case_and_normalize(chars_t *chars, apr_pool_t *pool)
{
    size_t count;
    uint32_t *lower = u32_tolower(chars->at, chars->count, NULL, UNINORM_NFC, NULL, &count);
    return take_result(chars, lower, count, pool);
}

static int has_compatibility_mapping(ucs4_t uc)
{
    uint32_t buffer[UC_DECOMPOSITION_MAX_LENGTH];
    size_t count = UC_DECOMPOSITION_MAX_LENGTH;
    uint32_t *mapped = u32_normalize(UNINORM_NFKC, &uc, 1, buffer, &count);
    int changed = mapped != buffer || count != 1 || buffer[0] != uc;
    if (mapped != buffer) {
        free(mapped);
    }
    return changed;
}

/** Conjoining jamo, of which Hangul is not written in identifiers (RFC 8264 section 9.9). */
static int is_old_hangul_jamo(ucs4_t uc)
{
    return (uc >= 0x1100 && uc <= 0x11FF) || (uc >= 0xA960 && uc <= 0xA97F) ||
           (uc >= 0xD7B0 && uc <= 0xD7FF);
}

typedef enum {
    CLASS_DISALLOWED,
    CLASS_VALID,
    CLASS_CONTEXT, /**< valid in some contexts only */
} class_t;

/** The exceptions of RFC 5892 section 2.6, which RFC 8264 section 9.6 takes over. */
static int find_exception(class_t *class, ucs4_t uc)
{
    static const struct {
        ucs4_t first;
        ucs4_t last;
        class_t class;
    } exceptions[] = {
        {0x00B7, 0x00B7, CLASS_CONTEXT},    {0x00DF, 0x00DF, CLASS_VALID},
        {0x0375, 0x0375, CLASS_CONTEXT},    {0x03C2, 0x03C2, CLASS_VALID},
        {0x05F3, 0x05F4, CLASS_CONTEXT},    {0x0640, 0x0640, CLASS_DISALLOWED},
        {0x0660, 0x0669, CLASS_CONTEXT},    {0x06F0, 0x06F9, CLASS_CONTEXT},
        {0x06FD, 0x06FE, CLASS_VALID},      {0x07FA, 0x07FA, CLASS_DISALLOWED},
        {0x0F0B, 0x0F0B, CLASS_VALID},      {0x3007, 0x3007, CLASS_VALID},
        {0x302E, 0x302F, CLASS_DISALLOWED}, {0x3031, 0x3035, CLASS_DISALLOWED},
        {0x303B, 0x303B, CLASS_DISALLOWED}, {0x30FB, 0x30FB, CLASS_CONTEXT},
    };

    for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++) {
        if (uc >= exceptions[i].first && uc <= exceptions[i].last) {
            *class = exceptions[i].class;
            return 1;
        }
    }
    return 0;
}

/** The IdentifierClass: the algorithm of RFC 8264 section 8, in its order. */
static class_t classify(ucs4_t uc)
{
    const uint32_t letters_and_digits =
        UC_CATEGORY_MASK_Ll | UC_CATEGORY_MASK_Lu | UC_CATEGORY_MASK_Lo | UC_CATEGORY_MASK_Nd |
        UC_CATEGORY_MASK_Lm | UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Mc;
    class_t class;

    if (find_exception(&class, uc)) {
        return class;
    }
    if (uc > ' ' && uc <= '~') {
        return CLASS_VALID;
    }
    if (uc == ZERO_WIDTH_NON_JOINER || uc == ZERO_WIDTH_JOINER) {
        return CLASS_CONTEXT;
    }
    if (is_old_hangul_jamo(uc) || uc_is_property_default_ignorable_code_point(uc) ||
        has_compatibility_mapping(uc) ||
        !uc_is_general_category_withtable(uc, letters_and_digits)) {
        return CLASS_DISALLOWED;
    }
    return CLASS_VALID;
}

static int is_in_script(ucs4_t uc, const char *name)
{
    return uc_is_script(uc, uc_script_byname(name));
}

static int contains_range(const chars_t *chars, ucs4_t first, ucs4_t last)
{
    for (size_t i = 0; i < chars->count; i++) {
        if (chars->at[i] >= first && chars->at[i] <= last) {
            return 1;
        }
    }
    return 0;
}

static int contains_japanese(const chars_t *chars)
{
    for (size_t i = 0; i < chars->count; i++) {
        if (is_in_script(chars->at[i], "Hiragana") || is_in_script(chars->at[i], "Katakana") ||
            is_in_script(chars->at[i], "Han")) {
            return 1;
        }
    }
    return 0;
}

/** The joining type of the nearest character that is not transparent, in direction @a step. */
static int joining_neighbour(const chars_t *chars, size_t index, int step)
{
    for (size_t i = index + step; i < chars->count; i += step) {
        int type = uc_joining_type(chars->at[i]);
        if (type != UC_JOINING_TYPE_T) {
            return type;
        }
    }
    return UC_JOINING_TYPE_U;
}

static int is_between_joining_letters(const chars_t *chars, size_t index)
{
    int before = joining_neighbour(chars, index, -1);
    int after = joining_neighbour(chars, index, +1);
    return (before == UC_JOINING_TYPE_L || before == UC_JOINING_TYPE_D) &&
           (after == UC_JOINING_TYPE_R || after == UC_JOINING_TYPE_D);
}

/** The contextual rules of RFC 5892 appendix A. */
static int context_allows(const chars_t *chars, size_t index)
{
    ucs4_t uc = chars->at[index];
    ucs4_t before = index > 0 ? chars->at[index - 1] : 0;
    ucs4_t after = index + 1 < chars->count ? chars->at[index + 1] : 0;

    switch (uc) {
    case ZERO_WIDTH_NON_JOINER:
        return uc_combining_class(before) == UC_CCC_VR || is_between_joining_letters(chars, index);
    case ZERO_WIDTH_JOINER:
        return uc_combining_class(before) == UC_CCC_VR;
    case 0x00B7: /* middle dot, of Catalan */
        return before == 'l' && after == 'l';
    case 0x0375: /* Greek lower numeral sign */
        return is_in_script(after, "Greek");
    case 0x05F3: /* Hebrew geresh */
    case 0x05F4: /* Hebrew gershayim */
        return is_in_script(before, "Hebrew");
    case 0x30FB: /* katakana middle dot */
        return contains_japanese(chars);
    default: /* Arabic-Indic digits and their extended variants, which do not mix */
        return uc < 0x06F0 ? !contains_range(chars, 0x06F0, 0x06F9)
                           : !contains_range(chars, 0x0660, 0x0669);
    }
}

static jf_err_t *refuse_character(ucs4_t uc, const char *where, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "the name before the \"@\" must not contain U+%04X%s: letters, digits and "
                       "most printable ASCII characters are allowed",
                       (unsigned)uc, where);
}

static jf_err_t *check_class(const chars_t *chars, apr_pool_t *pool)
{
    for (size_t i = 0; i < chars->count; i++) {
        if (classify(chars->at[i]) == CLASS_DISALLOWED) {
            return refuse_character(chars->at[i], "", pool);
        }
    }
    return NULL;
}

static jf_err_t *check_context(const chars_t *chars, apr_pool_t *pool)
{
    for (size_t i = 0; i < chars->count; i++) {
        if (classify(chars->at[i]) == CLASS_CONTEXT && !context_allows(chars, i)) {
            return refuse_character(chars->at[i], " at this place", pool);
        }
    }
    return NULL;
}

#define BIDI_BIT(class) (1u << (class))
#define BIDI_RTL_LETTERS (BIDI_BIT(UC_BIDI_R) | BIDI_BIT(UC_BIDI_AL))
#define BIDI_NEUTRAL                                                                             \
    (BIDI_BIT(UC_BIDI_ES) | BIDI_BIT(UC_BIDI_CS) | BIDI_BIT(UC_BIDI_ET) | BIDI_BIT(UC_BIDI_ON) | \
     BIDI_BIT(UC_BIDI_BN) | BIDI_BIT(UC_BIDI_NSM))

/**
 * The Bidi rule (RFC 5893 section 2) for a text with characters written from right to left: it
 * must begin with a letter of that direction, as one that begins otherwise must not have them.
 */
static int bidi_allows(const chars_t *chars)
{
    const unsigned numbers = BIDI_BIT(UC_BIDI_EN) | BIDI_BIT(UC_BIDI_AN);
    unsigned seen = 0;
    unsigned last = 0;
    for (size_t i = 0; i < chars->count; i++) {
        unsigned bit = BIDI_BIT(uc_bidi_class(chars->at[i]));
        seen |= bit;
        if (bit != BIDI_BIT(UC_BIDI_NSM)) {
            last = bit;
        }
    }
    if ((seen & (BIDI_RTL_LETTERS | BIDI_BIT(UC_BIDI_AN))) == 0) {
        return 1;
    }
    return (BIDI_BIT(uc_bidi_class(chars->at[0])) & BIDI_RTL_LETTERS) &&
           (seen & ~(BIDI_RTL_LETTERS | numbers | BIDI_NEUTRAL)) == 0 &&
           (last & (BIDI_RTL_LETTERS | numbers)) && (seen & numbers) != numbers;
}

jf_err_t *jf_precis_enforce_username(const char **username, const char *text, apr_pool_t *pool)
{
    chars_t chars = {0};
    JF_TRY(decode(&chars, text, pool));
    map_width(&chars);
    JF_TRY(check_class(&chars, pool));
    JF_TRY(map_case_and_normalize(&chars, pool));
    /* Again: NFC makes a forbidden U+2260 of "=" and U+0338. */
    JF_TRY(check_class(&chars, pool));
    /* On the mapped text, so that a name in capitals is allowed where its lower case is. */
    JF_TRY(check_context(&chars, pool));
    if (!bidi_allows(&chars)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "the name before the \"@\" mixes writing directions: a name with "
                           "letters from right to left must begin with one, end with one or with "
                           "a digit, and have no others (RFC 5893)");
    }
    return encode(username, &chars, pool);
}

jf_err_t *jf_precis_map_domain(const char **mapped, const char *text, apr_pool_t *pool)
{
    chars_t chars = {0};
    JF_TRY(decode(&chars, text, pool));
    map_width(&chars);
    for (size_t i = 0; i < chars.count; i++) {
        if (chars.at[i] == IDEOGRAPHIC_FULL_STOP) {
            chars.at[i] = '.';
        }
    }
    JF_TRY(map_case_and_normalize(&chars, pool));
    return encode(mapped, &chars, pool);
}
