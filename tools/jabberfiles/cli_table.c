#include "cli_table.h"

#include <string.h>

const cli_command_t *cli_command_find(const char *name)
{
    for (const cli_command_t *command = cli_commands; command->name; command++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}

int cli_command_knows(const cli_command_t *command, const cli_option_t *option)
{
    return option->groups == 0 || (option->groups & command->groups) != 0;
}

const cli_command_t cli_commands[] = {
    {
        .name = "send",
        .arguments = "FILE... JID...",
        .least_arguments = 2,
        .most_arguments = -1,
        .groups =
            CLI_GROUP_UPLOAD | CLI_GROUP_TELL | CLI_GROUP_DIRECT | CLI_GROUP_LOOK | CLI_GROUP_ASK,
        .summary = "upload files once and tell everybody the link",
        .details = "Uploads each FILE once, by a slot (XEP-0363) if the account's Jabber server "
                   "offers one, else into the file area, and sends the link to each JID: to a "
                   "contact, who may be offline, or to a room, which is joined, told and left.\n"
                   "What contains \"@\" and is no existing file is a Jabber ID; \"./a@b\" is a "
                   "file, \"xmpp:a@b\" a Jabber ID in any case. A \"-\" is standard input.\n"
                   "For each recipient a line says what became of it: handed to the recipient's "
                   "server, posted in the room, or refused and why.\n"
                   "With --direct a FILE goes from this machine to the recipient's, if a client "
                   "of the recipient is online that takes it: this machine serves it by HTTP under "
                   "a link that nobody can guess, for one receiver, until the recipient's client "
                   "says that it has it (jabber:iq:oob); or, where that fails, the recipient's "
                   "machine takes it from this one (Jingle, XEP-0370), at a public address unless "
                   "you agree to another one or say --allow-private; or it goes through the relay "
                   "of your Jabber server (XEP-0065), which stores nothing. Its content is not "
                   "encrypted on these ways, and jabberfiles on the other side compares its "
                   "SHA-256. As the recipient sees the address of this machine on all but the "
                   "last, you are asked before; in a script, --yes says so. "
                   "To see who is online the account is online meanwhile, too. A JID may "
                   "name one client, as bob@example.org/desk. If the person there refuses, that "
                   "is the end of it; if it is not possible or fails, the file is uploaded.",
        .run = cmd_send,
    },
    {
        .name = "put",
        .arguments = "FILE...",
        .least_arguments = 1,
        .most_arguments = -1,
        .groups = CLI_GROUP_UPLOAD,
        .summary = "upload files and print their links",
        .details = "Uploads into the file area if one is configured, else into a slot of the "
                   "Jabber server. A \"-\" is standard input, which is uploaded as it comes; "
                   "its name is said by --name.\n"
                   "Prints a link for each file, one a line.",
        .run = cmd_put,
    },
    {
        .name = "announce",
        .arguments = "URL JID...",
        .least_arguments = 2,
        .most_arguments = -1,
        .groups = CLI_GROUP_TELL | CLI_GROUP_LOOK | CLI_GROUP_ASK,
        .summary = "tell people or rooms a link that exists",
        .details =
            "Like send, for a file that is on a server already. The link is looked at first, "
            "as a recipient would; a link to nothing is not announced, and if the server "
            "cannot be asked, you are.",
        .run = cmd_announce,
    },
    {
        .name = "get",
        .arguments = "URL|NAME...",
        .least_arguments = 1,
        .most_arguments = -1,
        .groups = CLI_GROUP_LOOK | CLI_GROUP_SAVE | CLI_GROUP_GET | CLI_GROUP_ASK,
        .summary = "download links, or files of the own area",
        .details =
            "Asks the server about the file, shows name, size, type, date and host, and "
            "downloads it after a yes. A NAME is that of a file in the own area, as ls shows "
            "it.\n"
            "What has come so far is in NAME.part; after a break the download goes on from "
            "there, also in a later call, if the file is still the same on the server. Size "
            "and SHA-256 are checked as far as they are known. No existing file is "
            "overwritten unasked.",
        .run = cmd_get,
    },
    {
        .name = "receive",
        .arguments = "",
        .most_arguments = 0,
        .groups = CLI_GROUP_LOOK | CLI_GROUP_SAVE | CLI_GROUP_RECEIVE | CLI_GROUP_ASK,
        .summary = "stay online and download what others announce",
        .details = "Shows each file that somebody announces, asks, and downloads it. Senders of "
                   "requests (jabber:iq:oob) get the answer that fits: done after the complete "
                   "download, refused, or failed. If such a request leads to somebody's own "
                   "machine, you are asked before it is called on, since it sees the address of "
                   "this one; it may be in a private network then. Who offers to send a file here "
                   "directly (Jingle, XEP-0370) may do so after a yes: this machine then listens "
                   "for that one upload, and the sender sees its address. Who offers it in the "
                   "manner of older clients (XEP-0096) names relays (XEP-0065) that this machine "
                   "then connects to, never at private addresses but that of your own Jabber "
                   "server's relay. Ctrl-C ends it.",
        .run = cmd_receive,
    },
    {
        .name = "ls",
        .arguments = "",
        .most_arguments = 0,
        .summary = "list the files of the own area",
        .details = "Shows name, size, date and link of each file.",
        .run = cmd_ls,
    },
    {
        .name = "rm",
        .arguments = "NAME...",
        .least_arguments = 1,
        .most_arguments = -1,
        .summary = "delete files of the own area",
        .details = "Their links end. Nothing is asked.",
        .run = cmd_rm,
    },
    {
        .name = "quota",
        .arguments = "",
        .most_arguments = 0,
        .summary = "say how much of the own area is used",
        .details = "Shows the disk quota and the transfer quota, as far as the server tells them.",
        .run = cmd_quota,
    },
    {
        .name = "login",
        .arguments = "[JID]",
        .most_arguments = 1,
        .groups = CLI_GROUP_LOGIN | CLI_GROUP_ASK,
        .summary = "set up the account, and try it",
        .details = "Asks for what is not given: Jabber ID, password, and the URL of the file area, "
                   "which may be left empty. Then logs in, looks for the upload service and at the "
                   "area, and writes the configuration if that works. Without a terminal the "
                   "password is the first line of standard input.",
        .run = cmd_login,
    },
    {.name = NULL},
};
