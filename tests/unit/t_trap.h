/**
 * Coming in between for certain: something that is done at the moment when memory is touched the
 * next time.
 */
#ifndef T_TRAP_H
#define T_TRAP_H

#include "jf_test.h"

/**
 * Whoever reads or writes anything on the pages of @a address to @a address + @a bytes first lets
 * @a come_between run, in the same thread; the pages are open again then. One trap at a time;
 * @a come_between may set the next one.
 */
void jf_trap_set(const volatile void *address, size_t bytes, void (*come_between)(void *baton),
                 void *baton);

/** Opens the pages. @return 0 if nobody has touched them */
int jf_trap_clear(void);

#endif
