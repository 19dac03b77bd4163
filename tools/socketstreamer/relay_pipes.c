#include "relay_pipes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "relay_memory.h"

#define KEPT_MAX 16
/* More slots than a pipe has by itself, for a slot may hold as little as one packet of the network.
 * Only for the first ones, which go round among all whose sinks take what they get: the kernel
 * would give tiny pipes to a user who has 64 MiB of them (pipe-user-pages-soft in proc(5)). */
#define LARGE_PIPES KEPT_MAX
#define LARGE_PIPE_BYTES (1024 * 1024)

struct relay_pipes_t {
    relay_pipe_t *kept;
    int kept_count;
    int count;
    int most;
};

relay_pipes_t *relay_pipes_create(int most)
{
    relay_pipes_t *pipes = relay_memory_get(sizeof(*pipes));
    pipes->most = most;
    return pipes;
}

static void close_pipe(relay_pipes_t *pipes, relay_pipe_t *pipe)
{
    close(pipe->read_fd);
    close(pipe->write_fd);
    free(pipe);
    pipes->count--;
}

static relay_pipe_t *take_kept(relay_pipes_t *pipes)
{
    relay_pipe_t *pipe = pipes->kept;
    pipes->kept = pipe->next;
    pipes->kept_count--;
    return pipe;
}

void relay_pipes_destroy(relay_pipes_t *pipes)
{
    while (pipes->kept) {
        close_pipe(pipes, take_kept(pipes));
    }
    free(pipes);
}

relay_pipe_t *relay_pipes_take(relay_pipes_t *pipes)
{
    int ends[2];
    if (pipes->kept) {
        return take_kept(pipes);
    }
    if (pipes->count >= pipes->most || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return NULL;
    }
    if (pipes->count < LARGE_PIPES) {
        /* If that is refused, the pipe keeps the size that it has. */
        (void)fcntl(ends[1], F_SETPIPE_SZ, LARGE_PIPE_BYTES);
    }
    relay_pipe_t *pipe = relay_memory_get(sizeof(*pipe));
    pipe->read_fd = ends[0];
    pipe->write_fd = ends[1];
    pipes->count++;
    return pipe;
}

void relay_pipes_give_back(relay_pipes_t *pipes, relay_pipe_t *pipe, int is_empty)
{
    if (!is_empty || pipes->kept_count >= KEPT_MAX) {
        close_pipe(pipes, pipe);
        return;
    }
    pipe->next = pipes->kept;
    pipes->kept = pipe;
    pipes->kept_count++;
}
