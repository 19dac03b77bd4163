/**
 * What others may say about an upload that they ask for: where it goes, and with which fields.
 */
#ifndef PUT_FIELDS_H
#define PUT_FIELDS_H

/** 1 if these are characters of a URL (RFC 3986 section 2), not too many, and no fragment is among
 * them. */
int put_fields_is_url(const char *url);

/** The name of a field as we write it, or NULL (also for NULL) if nobody may ask for this one: only
 * Authorization, Cookie and Expires (XEP-0363 section 5.2); any other could change what the upload
 * means. */
const char *put_fields_name(const char *name);

#endif
