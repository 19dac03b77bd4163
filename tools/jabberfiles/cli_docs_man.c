#include "cli_docs.h"

#include <stdio.h>
#include <string.h>

#include "cli_table.h"

/* Where mdoc wants lines to end. */
#define LINE_COLUMNS 75

/* ---- text ---- */

/* A character so that it comes out as it is and can be copied into a shell.
 * @return how many bytes that takes */
static size_t put_character(char c)
{
    static const struct {
        char c;
        const char *escape;
    } escapes[] = {{'\\', "\\e"}, {'\'', "\\(aq"}, {'`', "\\(ga"}, {'~', "\\(ti"}, {'^', "\\(ha"}};
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        if (escapes[i].c == c) {
            return (size_t)printf("%s", escapes[i].escape);
        }
    }
    putchar(c);
    return 1;
}

/* Dashes of what is to be typed are no hyphens.
 * @return how many bytes the word takes */
static size_t put_word(const char *word, size_t length, int is_typed)
{
    size_t written = 0;
    is_typed = is_typed || word[0] == '-' || word[0] == '"' || word[0] == '\'';
    if (word[0] == '.') {
        written += (size_t)printf("\\&");
    }
    for (size_t i = 0; i < length; i++) {
        if (is_typed && word[i] == '-') {
            putchar('\\');
            written++;
        }
        written += put_character(word[i]);
    }
    return written;
}

/* 1 if the word ends a sentence: mdoc wants the next one on a new line. */
static int ends_sentence(const char *word, size_t length)
{
    return length > 0 && strchr(".?!", word[length - 1]) != NULL;
}

static void put_paragraph(const char *text, size_t text_length)
{
    const char *end = text + text_length;
    size_t column = 0;
    while (text < end) {
        size_t length = strcspn(text, " \n");
        length = length < (size_t)(end - text) ? length : (size_t)(end - text);
        if (column > 0 && column + length + 1 > LINE_COLUMNS) {
            putchar('\n');
            column = 0;
        }
        if (column > 0) {
            putchar(' ');
        }
        column += put_word(text, length, 0) + 1;
        if (ends_sentence(text, length)) {
            putchar('\n');
            column = 0;
        }
        text += length + 1;
    }
    if (column > 0) {
        putchar('\n');
    }
}

/* Paragraphs are separated by line ends. */
static void put_text(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        put_paragraph(text, length);
        text += length;
        if (*text == '\n') {
            printf(".Pp\n");
            text++;
        }
    }
}

/* A summary of the help, as a sentence. */
static void put_sentence(const char *summary)
{
    char sentence[2 * LINE_COLUMNS] = "";
    snprintf(sentence, sizeof(sentence), "%s.", summary);
    if (sentence[0] >= 'a' && sentence[0] <= 'z') {
        sentence[0] = (char)(sentence[0] - 'a' + 'A');
    }
    put_paragraph(sentence, strlen(sentence));
}

/* ---- sections ---- */

static void put_synopsis(void)
{
    printf(".Sh SYNOPSIS\n");
    for (const cli_command_t *command = cli_commands; command->name; command++) {
        printf(".Nm\n.Cm %s\n.Op Ar option ...\n", command->name);
        if (command->arguments[0]) {
            printf(".Ar %s\n", command->arguments);
        }
    }
    printf(".Nm\n.Fl -help | Fl -version\n");
}

static void put_commands(void)
{
    printf(".Sh COMMANDS\n.Bl -tag -width Ds\n");
    for (const cli_command_t *command = cli_commands; command->name; command++) {
        printf(".It Cm %s%s%s\n", command->name, command->arguments[0] ? " Ar " : "",
               command->arguments);
        put_sentence(command->summary);
        printf(".Pp\n");
        put_text(command->details);
    }
    printf(".El\n");
}

static void put_option(const cli_option_t *option)
{
    printf(".It ");
    if (option->letter) {
        printf("Fl %c , ", option->letter);
    }
    printf("Fl -%s", option->name);
    if (option->argument) {
        printf(" Ar %s", option->argument);
    }
    putchar('\n');
    put_sentence(option->summary);
    if (option->details) {
        put_text(option->details);
    }
}

static void put_knowing_commands(const cli_option_t *option)
{
    const char *before = "For";
    for (const cli_command_t *command = cli_commands; command->name; command++) {
        if (cli_command_knows(command, option)) {
            printf("%s\n.Cm %s", before, command->name);
            before = " ,";
        }
    }
    printf(" .\n");
}

static void put_options(void)
{
    printf(".Sh OPTIONS\nThey may stand anywhere;\n.Ql --\nends them.\n.Pp\n"
           "Options of all commands:\n.Bl -tag -width Ds\n");
    for (const cli_option_t *option = cli_options; option->name; option++) {
        if (option->groups == 0) {
            put_option(option);
        }
    }
    printf(".El\n.Pp\nOptions of some commands:\n.Bl -tag -width Ds\n");
    for (const cli_option_t *option = cli_options; option->name; option++) {
        if (option->groups != 0) {
            put_option(option);
            put_knowing_commands(option);
        }
    }
    printf(".El\n");
}

static void put_list(const char *section, const char *macro, const cli_text_t *texts)
{
    if (section) {
        printf(".Sh %s\n", section);
    }
    printf(".Bl -tag -width Ds\n");
    for (; texts->term; texts++) {
        printf(".It %s \"", macro);
        put_word(texts->term, strlen(texts->term), 0);
        printf("\"\n");
        put_text(texts->text);
    }
    printf(".El\n");
}

static void put_configuration(void)
{
    printf(".Sh CONFIGURATION\n");
    put_text("Lines \"key = value\"; what begins with \"#\" is a comment, and a value has no "
             "white space at its ends. A path may begin with \"~/\" or be relative to the "
             "directory of the file. A file that others may read or change is refused. "
             "Options stand over the environment, and that over the configuration. \"login\" "
             "writes the file and keeps its comments.");
    put_list(NULL, "Cm", cli_config_keys);
}

static void put_examples(void)
{
    printf(".Sh EXAMPLES\n");
    for (const cli_text_t *example = cli_examples; example->term; example++) {
        if (example != cli_examples) {
            printf(".Pp\n");
        }
        put_text(example->term);
        printf(".Bd -literal -offset indent\n");
        put_word(example->text, strlen(example->text), 1);
        printf("\n.Ed\n");
    }
}

void cli_docs_print_man(void)
{
    printf(".\\\" Made from the tables of the command line; not to be edited.\n"
           ".Dd November 23, 2026\n.Dt JABBERFILES 1\n.Os\n.Sh NAME\n.Nm jabberfiles\n"
           ".Nd send files to Jabber users by links, and receive them\n");
    put_synopsis();
    printf(".Sh DESCRIPTION\n.Nm\n");
    put_text("uploads files to the upload service of the account's Jabber server (XEP-0363), or "
             "to a file area, and tells people and rooms the link; fetches links; and waits for "
             "those of others. Recipients may be offline, and need no more than a chat client or "
             "a browser.\n"
             "TLS is verified everywhere. Nothing that comes from the network becomes a path or "
             "reaches the terminal unchecked.\n"
             "Results go to standard output, all else to standard error.");
    put_commands();
    put_options();
    put_configuration();
    put_list("ENVIRONMENT", "Ev", cli_variables);
    put_list("FILES", "Pa", cli_files);
    put_list("EXIT STATUS", "No", cli_exit_codes);
    put_examples();
    printf(".Sh SEE ALSO\n.Xr curl 1 ,\n.Xr jabberfiles-admin 8\n"
           ".Sh STANDARDS\n");
    put_text("XEP-0030, XEP-0045, XEP-0066, XEP-0363, XEP-0385, XEP-0428, XEP-0446, XEP-0447; RFC "
             "6120, RFC 9110, RFC 9530.");
}
