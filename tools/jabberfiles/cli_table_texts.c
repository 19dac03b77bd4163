#include "cli_table.h"

const cli_text_t cli_exit_codes[] = {
    {"0", "Done."},
    {"1", "Failed: a file could not be read or written, or an answer makes no sense."},
    {"2", "Wrong usage or configuration; nothing was done."},
    {"3", "No such link or file."},
    {"4", "Refused: by a server (login, rights), by all recipients, or by the tool's own rules of "
          "safety (certificates, private addresses, files that exist)."},
    {"5", "A limit was hit: too large, quota or transfer quota used up, disk full."},
    {"6", "A server cannot be reached or is busy: worth another try later."},
    {"7", "What came is not what was promised (size, SHA-256); nothing of it was kept."},
    {"8", "Partly done: some recipients or files are, some are not."},
    {"9", "Declined: the answer to a question was no."},
    {"130", "Interrupted, by Ctrl-C for example."},
    {.term = NULL},
};

const cli_text_t cli_variables[] = {
    {"JABBERFILES_JID", "The account. If it is not the configured one, the configured password is "
                        "not used for it."},
    {"JABBERFILES_PASSWORD", "The password."},
    {"JABBERFILES_URL", "Where the file areas are."},
    {"XDG_CONFIG_HOME", "Where the configuration is, in place of ~/.config."},
    {"https_proxy, http_proxy, no_proxy",
     "Proxies, for the account's own servers. Links from others are fetched without them."},
    {.term = NULL},
};

const cli_text_t cli_files[] = {
    {"~/.config/jabberfiles/config", "The configuration; see CONFIGURATION."},
    {"NAME.part, NAME.part.json", "A download that is not complete, and what it belongs to."},
    {.term = NULL},
};

const cli_text_t cli_config_keys[] = {
    {"jid", "The account."},
    {"password", "Its password."},
    {"password-file", "A file whose first line is the password. Nobody else may read it."},
    {"password-command",
     "A command, run by /bin/sh, that prints the password as its first line, as "
     "\"pass show jabber\"."},
    {"url", "Where the file areas are, as https://files.example.org/files."},
    {"connect", "HOST:PORT of the Jabber server, if DNS does not tell it."},
    {"tls", "\"starttls\" (the default) or \"direct\": how the server at connect speaks TLS."},
    {"ca", "A PEM file with authorities to trust beside those of the system."},
    {.term = NULL},
};

const cli_text_t cli_examples[] = {
    {"Set the account up, once:", "jabberfiles login alice@example.org"},
    {"Send a file to two people and a room:",
     "jabberfiles send report.pdf bob@example.org carol@example.net team@rooms.example.org"},
    {"The same with a few words, and gone after a week:",
     "jabberfiles send --message 'For Monday' --expires 7d report.pdf bob@example.org"},
    {"Upload what a program prints, and get the link:",
     "tar -cz project | jabberfiles put --name project.tar.gz -"},
    {"Fetch a link in a script:",
     "jabberfiles get --yes https://files.example.org/files/k3Zp/report.pdf"},
    {"Take what the backup robot sends, and ask about the rest:",
     "jabberfiles receive --auto-from backup@example.org --max-size 2G --directory backups"},
    {"Ask a password manager in place of storing the password:",
     "jabberfiles login --password-command 'pass show jabber' alice@example.org"},
    {.term = NULL},
};
