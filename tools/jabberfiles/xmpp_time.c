#include "xmpp_time.h"

#include <string.h>
#include <time.h>

#include "jf_ascii.h"

static int two_digits(const char *text)
{
    return jf_ascii_is_digit(text[0]) && jf_ascii_is_digit(text[1])
               ? (text[0] - '0') * 10 + text[1] - '0'
               : -1;
}

/** Reads "Z" or "+hh:mm". @return 0 if it is neither */
static int read_offset(int *offset_seconds, const char *text)
{
    *offset_seconds = 0;
    if (strcmp(text, "Z") == 0) {
        return 1;
    }
    if (strlen(text) != sizeof("+hh:mm") - 1 || (text[0] != '+' && text[0] != '-') ||
        text[3] != ':') {
        return 0;
    }
    int hours = two_digits(text + 1);
    int minutes = two_digits(text + 4);
    *offset_seconds = (hours * 60 + minutes) * 60 * (text[0] == '-' ? -1 : 1);
    return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

apr_time_t xmpp_time_parse(const char *stamp)
{
    struct tm tm = {.tm_isdst = 0};
    const char *rest = strptime(stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest) {
        return 0;
    }
    if (*rest == '.') {
        do {
            rest++;
        } while (jf_ascii_is_digit(*rest));
    }
    int offset_seconds;
    if (!read_offset(&offset_seconds, rest)) {
        return 0;
    }
    time_t seconds = timegm(&tm) - offset_seconds;
    return seconds > 0 ? apr_time_from_sec(seconds) : 0;
}
