/**
 * What the fuzz targets share. A target is one file with fuzz_one(), which checks properties that
 * hold for every input. Linked with fuzz.c it is a libFuzzer target; linked with replay.c as well,
 * it replays a corpus with any compiler.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "jf_err.h"

/** Aborts if @a condition does not hold, also where assert(3) is switched off. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))

_Noreturn void fuzz_fail(const char *condition, const char *file, int line);

/** Implemented by each target. @param text the input, a string on the heap of its exact size. */
void fuzz_one(const char *text, apr_pool_t *pool);

/** The entry that libFuzzer and replay.c call. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** 1 if @a text is made of printable ASCII: nothing in it ends a header line or hides. */
int fuzz_is_printable(const char *text);

/** 1 if @a text is UTF-8 without C0 and C1 control characters and DEL. */
int fuzz_is_clean_utf8(const char *text);

/** Checks that @a err, which may be NULL, is a refusal that can be shown to people. */
void fuzz_check_refusal(const jf_err_t *err);

#endif
