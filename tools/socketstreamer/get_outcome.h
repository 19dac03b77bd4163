/**
 * How a one-shot transfer ends: exit status, the answer to the client, the words of the log.
 */
#ifndef GET_OUTCOME_H
#define GET_OUTCOME_H

/** The values are exit statuses, and stand in socketstreamer-get(1). */
typedef enum {
    GET_UNDECIDED = -1,
    GET_DELIVERED = 0,   /**< the client has the whole file */
    GET_FAILED = 1,      /**< this machine did not let us */
    GET_USAGE = 2,       /**< the command line is wrong */
    GET_NOBODY_CAME = 3, /**< no GET within the time to live */
    GET_REFUSED = 4,     /**< the foreign side lets nobody in, or gives nothing */
    GET_SILENT = 5,      /**< the foreign side said nothing, from the beginning */
    GET_BROKEN = 6,      /**< the foreign side broke off, or fell silent in the middle */
    GET_TOO_LONG = 7,    /**< the foreign side sent more than was announced */
    GET_CLIENT_GONE = 8, /**< the client went away, or stopped reading */
    GET_STOPPED = 9,     /**< SIGTERM or SIGINT */
} get_outcome_t;

/** The cause as a part of a sentence, for the log. Not for GET_UNDECIDED. */
const char *get_outcome_text(get_outcome_t outcome);

/** The HTTP status that tells it, if the answer has not begun; 0 if there is none to tell. */
unsigned get_outcome_status(get_outcome_t outcome);

#endif
