#include "t_fault.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Calls @a visit for every open descriptor but the one that is used to look. */
static void each_descriptor(void (*visit)(void *baton, int fd, const char *target), void *baton)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        char target[PATH_MAX];
        int fd = (int)strtol(entry->d_name, NULL, 10);
        ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        if (length > 0 && fd != dirfd(dir)) {
            target[length] = '\0';
            visit(baton, fd, target);
        }
    }
    closedir(dir);
}

static void count_one(void *baton, int fd, const char *target)
{
    (void)fd;
    (void)target;
    ++*(int *)baton;
}

int jf_fault_count_descriptors(void)
{
    int count = 0;
    each_descriptor(count_one, &count);
    return count;
}

typedef struct search_t {
    jf_fault_t *fault;
    char path[PATH_MAX];
} search_t;

static void take_if_same(void *baton, int fd, const char *target)
{
    search_t *search = baton;
    if (strcmp(target, search->path) == 0) {
        assert_true(search->fault->count < JF_FAULT_DESCRIPTORS);
        search->fault->fd[search->fault->count++] = fd;
    }
}

void jf_fault_begin(jf_fault_t *fault, const char *path, const char *substitute, int flags)
{
    search_t search = {.fault = fault};
    fault->count = 0;
    assert_non_null(realpath(path, search.path));
    each_descriptor(take_if_same, &search);
    assert_true(fault->count > 0);

    int fd = open(substitute, flags | O_CLOEXEC);
    assert_true(fd >= 0);
    for (int i = 0; i < fault->count; i++) {
        fault->saved[i] = fcntl(fault->fd[i], F_DUPFD_CLOEXEC, 3);
        assert_true(fault->saved[i] >= 0);
        assert_int_equal(dup3(fd, fault->fd[i], O_CLOEXEC), fault->fd[i]);
    }
    close(fd);
}

void jf_fault_end(jf_fault_t *fault)
{
    for (int i = 0; i < fault->count; i++) {
        assert_int_equal(dup3(fault->saved[i], fault->fd[i], O_CLOEXEC), fault->fd[i]);
        close(fault->saved[i]);
    }
}
