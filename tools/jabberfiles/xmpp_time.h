/**
 * Times in stanzas (XEP-0082); jf_units_format_time writes them.
 */
#ifndef XMPP_TIME_H
#define XMPP_TIME_H

#include <apr_time.h>

/** The time of a DateTime ("2026-11-22T10:00:00.5+01:00") in whole seconds, or 0 if @a stamp is
 * none. */
apr_time_t xmpp_time_parse(const char *stamp);

#endif
