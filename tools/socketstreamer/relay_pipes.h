/**
 * Pipes that carry bytes from one socket to another inside the kernel.
 *
 * Those that are empty lie in a pool, since making one costs more than using it. The kernel lets a
 * user have a certain number of pages in all pipes together (pipe(7)), and they take two
 * descriptors each, so there is a largest number. For one thread.
 */
#ifndef RELAY_PIPES_H
#define RELAY_PIPES_H

typedef struct relay_pipes_t relay_pipes_t;

typedef struct relay_pipe_t {
    int read_fd;
    int write_fd;
    struct relay_pipe_t *next; /**< in the pool */
} relay_pipe_t;

/** Makes an empty pool. @param most pipes at the same time, those in use included. */
relay_pipes_t *relay_pipes_create(int most);

/** Closes the pipes in the pool; none may be in use. */
void relay_pipes_destroy(relay_pipes_t *pipes);

/** An empty pipe, or NULL if there is none to be had now. */
relay_pipe_t *relay_pipes_take(relay_pipes_t *pipes);

/** Gives a pipe back. @param is_empty 0 if bytes are in it: they go with it. */
void relay_pipes_give_back(relay_pipes_t *pipes, relay_pipe_t *pipe, int is_empty);

#endif
