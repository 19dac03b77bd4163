#include "save_name.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>
#include <unictype.h>
#include <unistr.h>

#include "jf_ascii.h"

#define NOTHING_LEFT "download"
/* "." and what follows are kept when a name is cut, if they are no longer than this. */
#define ENDING_BYTES_MAX 20

static const char *last_segment(const char *name)
{
    for (const char *slash; (slash = strpbrk(name, "/\\"));) {
        name = slash + 1;
    }
    return name;
}

/** 1 for what has no shape of its own: controls, overrides, joiners, selectors, fillers. */
static int is_hidden(ucs4_t uc)
{
    return uc_is_property_default_ignorable_code_point(uc) ||
           uc_is_general_category_withtable(uc, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cf |
                                                    UC_CATEGORY_MASK_Zl | UC_CATEGORY_MASK_Zp);
}

static int is_space(ucs4_t uc)
{
    static const ucs4_t braille_blank = 0x2800;
    return uc_is_general_category(uc, UC_SPACE_SEPARATOR) || uc == braille_blank;
}

/** The name without what hides, all kinds of spaces alike, "_" for each byte that is no UTF-8. */
static char *keep_visible(const char *name, apr_pool_t *pool)
{
    const uint8_t *in = (const uint8_t *)name;
    size_t left = strlen(name);
    char *kept = apr_palloc(pool, left + 1);
    char *out = kept;
    while (left > 0) {
        ucs4_t uc;
        int length = u8_mbtoucr(&uc, in, left);
        if (length < 0) {
            length = 1;
            *out++ = '_';
        } else if (is_space(uc)) {
            *out++ = ' ';
        } else if (!is_hidden(uc)) {
            memcpy(out, in, (size_t)length);
            out += length;
        }
        in += length;
        left -= (size_t)length;
    }
    *out = '\0';
    return kept;
}

/** Cuts dots, dashes and spaces at the begin, dots and spaces at the end. */
static char *trim(char *name)
{
    name += strspn(name, ".- ");
    size_t length = strlen(name);
    while (length > 0 && strchr(". ", name[length - 1])) {
        length--;
    }
    name[length] = '\0';
    return name;
}

/** Where at most @a length bytes of whole characters end. */
static size_t whole_characters(const char *text, size_t length)
{
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) {
        length--;
    }
    return length;
}

/** Cuts the middle out of a name that is too long. */
static char *shorten(char *name, apr_pool_t *pool)
{
    if (strlen(name) <= SAVE_NAME_BYTES_MAX) {
        return name;
    }
    const char *ending = strrchr(name, '.');
    if (!ending || strlen(ending) > ENDING_BYTES_MAX) {
        ending = "";
    }
    size_t stem_length = whole_characters(name, SAVE_NAME_BYTES_MAX - strlen(ending));
    return apr_pstrcat(pool, apr_pstrmemdup(pool, name, stem_length), ending, NULL);
}

static int has_ending(const char *name, const char *ending)
{
    size_t length = strlen(name);
    size_t ending_length = strlen(ending);
    return length >= ending_length && strcasecmp(name + length - ending_length, ending) == 0;
}

/** 1 for "con", "COM1.txt" and the like: memory cards meet other systems. */
static int is_device(const char *name)
{
    static const char *const devices[] = {"aux", "con", "nul", "prn"};
    size_t length = strcspn(name, ".");
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        if (length == 3 && strncasecmp(name, devices[i], length) == 0) {
            return 1;
        }
    }
    return length == 4 && jf_ascii_is_digit(name[3]) &&
           (strncasecmp(name, "com", 3) == 0 || strncasecmp(name, "lpt", 3) == 0);
}

/** 1 for names that a download in progress could have (part_file.h). */
static int is_ours(const char *name)
{
    return has_ending(name, ".part") || has_ending(name, ".part.json");
}

const char *save_name_make(const char *name, apr_pool_t *pool)
{
    char *made = trim(keep_visible(last_segment(name ? name : ""), pool));
    if (is_device(made)) {
        made = apr_pstrcat(pool, "_", made, NULL);
    }
    if (is_ours(made)) {
        made = apr_pstrcat(pool, made, "_", NULL);
    }
    made = trim(shorten(made, pool));
    if (is_ours(made)) { /* uncovered by the cut */
        made[strlen(made) - 1] = '_';
    }
    return made[0] ? made : NOTHING_LEFT;
}
