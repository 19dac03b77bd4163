#include "cli_docs.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } kinds[] = {
        {"man", cli_docs_print_man},
        {"bash", cli_docs_print_bash},
        {"zsh", cli_docs_print_zsh},
    };
    for (size_t i = 0; argc == 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].print();
            return fflush(stdout) != 0 || ferror(stdout);
        }
    }
    fprintf(stderr, "usage: cli_docs man|bash|zsh\n");
    return 2;
}
