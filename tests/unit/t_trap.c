#include "t_trap.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096

static struct {
    char *begin;
    size_t bytes;
    void (*come_between)(void *baton);
    void *baton;
} trap;

static int is_sprung;

static void open_pages(void)
{
    if (mprotect(trap.begin, trap.bytes, PROT_READ | PROT_WRITE) != 0) {
        abort();
    }
}

/* Runs where the memory was touched, which is tried again afterwards. A fault of any other memory
 * is a mistake of the program: it comes again at once, and nobody catches it. */
static void spring(int signal_number, siginfo_t *info, void *context)
{
    char *address = info->si_addr;
    (void)context;
    if (!trap.come_between || address < trap.begin || address >= trap.begin + trap.bytes) {
        signal(signal_number, SIG_DFL);
        return;
    }
    void (*come_between)(void *) = trap.come_between;
    trap.come_between = NULL;
    is_sprung = 1;
    open_pages();
    come_between(trap.baton);
}

void jf_trap_set(const volatile void *address, size_t bytes, void (*come_between)(void *baton),
                 void *baton)
{
    /* It must be caught inside of itself: one trap sets the next. */
    struct sigaction action = {.sa_sigaction = spring, .sa_flags = SA_SIGINFO | SA_NODEFER};
    size_t lead = (uintptr_t)address % PAGE_BYTES;
    size_t pages = (lead + bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, NULL);
    trap.begin = (char *)address - lead;
    trap.bytes = pages * PAGE_BYTES;
    trap.come_between = come_between;
    trap.baton = baton;
    is_sprung = 0;
    if (mprotect(trap.begin, trap.bytes, PROT_NONE) != 0) {
        abort();
    }
}

int jf_trap_clear(void)
{
    open_pages();
    trap.come_between = NULL;
    signal(SIGSEGV, SIG_DFL);
    return is_sprung;
}
