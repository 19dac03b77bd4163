/**
 * Faults of the system, made to order: descriptors that are full or read-only behind somebody's
 * back, and the count of descriptors that shows a leak.
 */
#ifndef T_FAULT_H
#define T_FAULT_H

#include "t_fixture.h"

#define JF_FAULT_DESCRIPTORS 40

typedef struct jf_fault_t {
    int count;
    int fd[JF_FAULT_DESCRIPTORS];
    int saved[JF_FAULT_DESCRIPTORS];
} jf_fault_t;

/**
 * Puts @a substitute, opened with @a flags, in place of every descriptor that this process has of
 * @a path: "/dev/full" is a full disk, @a path itself with O_RDONLY is one that cannot be written.
 */
void jf_fault_begin(jf_fault_t *fault, const char *path, const char *substitute, int flags);

/** Makes it good again. */
void jf_fault_end(jf_fault_t *fault);

/** Number of open descriptors of this process. */
int jf_fault_count_descriptors(void);

#endif
