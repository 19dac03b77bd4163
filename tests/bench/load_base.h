/* What programs have in common that put a load on servers. */
#ifndef LOAD_BASE_H
#define LOAD_BASE_H

#include <stddef.h>
#include <stdint.h>

/* Ends the program with a message. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A clock that nobody sets. */
int64_t now_us(void);

/* What this process has worked so far. */
double cpu_seconds(void);

/* Memory as of realloc(); without any left the program ends. */
void *grow(void *memory, size_t size_bytes);

#endif
