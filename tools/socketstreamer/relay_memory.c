#include "relay_memory.h"

#include <stdlib.h>
#include <string.h>

void *relay_memory_get(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (!memory) {
        abort();
    }
    return memory;
}

char *relay_memory_copy(const char *text)
{
    char *copy = strdup(text);
    if (!copy) {
        abort();
    }
    return copy;
}
