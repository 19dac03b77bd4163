/**
 * `socketstreamer get`: one file from a foreign network for one Jabber client.
 */
#ifndef GET_H
#define GET_H

/**
 * Runs the subcommand to its end. APR is initialized, standard descriptors are open.
 * @param argv begins with the word "get".
 * @return the exit status, see get_outcome_t.
 */
int get_main(int argc, const char *const *argv);

#endif
