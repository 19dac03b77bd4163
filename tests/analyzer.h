/**
 * For clang-tidy only (./bootstrap check puts it before every file but jf_err.c): tells the
 * analyser that a made error is never NULL. Without it every out-parameter is taken for
 * uninitialised after JF_TRY.
 */
#ifndef ANALYZER_H
#define ANALYZER_H

#include "../mod_jabberfiles/jf_err.h"

static inline jf_err_t *analyzer_not_null(jf_err_t *err)
{
    if (!err) {
        __builtin_unreachable();
    }
    return err;
}

#define jf_err_make(...) analyzer_not_null((jf_err_make)(__VA_ARGS__))
#define jf_err_from_system(...) analyzer_not_null((jf_err_from_system)(__VA_ARGS__))

#endif
