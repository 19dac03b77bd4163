#include "put_fields.h"

#include <string.h>

#include <apr_cstr.h>

#include "jf_ascii.h"

#define URL_BYTES_MAX 4096

int put_fields_is_url(const char *url)
{
    if (strlen(url) > URL_BYTES_MAX) {
        return 0;
    }
    for (const char *c = url; *c; c++) {
        if (!jf_ascii_is_printable(*c) || strchr(" \"#<>\\^`{|}", *c)) {
            return 0;
        }
    }
    return 1;
}

const char *put_fields_name(const char *name)
{
    static const char *const names[] = {"Authorization", "Cookie", "Expires"};
    for (size_t i = 0; name && i < sizeof(names) / sizeof(*names); i++) {
        if (apr_cstr_casecmp(name, names[i]) == 0) {
            return names[i];
        }
    }
    return NULL;
}
