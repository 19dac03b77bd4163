/**
 * ASCII character classes that do not depend on the locale.
 *
 * isalpha(3), tolower(3) and APR's wrappers follow setlocale(3), and other modules of the same
 * httpd may call that: under a Turkish locale tolower('I') is not 'i', and a user would lose their
 * area.
 */
#ifndef JF_ASCII_H
#define JF_ASCII_H

static inline int jf_ascii_is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static inline int jf_ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline char jf_ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline int jf_ascii_is_alnum(char c)
{
    return jf_ascii_is_lower(jf_ascii_lower(c)) || jf_ascii_is_digit(c);
}

/** 1 for space to tilde. */
static inline int jf_ascii_is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

#endif
