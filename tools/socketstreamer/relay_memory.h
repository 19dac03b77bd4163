/**
 * Memory of streams: one by one from malloc(3), for they end in any order, and pools give nothing
 * back before they end themselves.
 */
#ifndef RELAY_MEMORY_H
#define RELAY_MEMORY_H

#include <stddef.h>

/** Zeroes, to be given to free(3); ends the program if there are none, as APR's pools do. */
void *relay_memory_get(size_t bytes);

/** A copy of a text, likewise. */
char *relay_memory_copy(const char *text);

#endif
