#include "service_activation.h"

#include "stream_hash.h"

static relay_activation_t activate_hash(relay_streams_t *streams,
                                        const service_activation_t *activation,
                                        const char *requester, const char *target)
{
    unsigned char hash[STREAM_HASH_BYTES];
    const char *const jids[RELAY_SIDES] = {
        [RELAY_TARGET] = activation->target, [RELAY_REQUESTER] = activation->requester};
    return stream_hash(hash, activation->sid, requester, target)
               ? relay_streams_activate(streams, hash, jids, activation->user)
               : RELAY_UNKNOWN;
}

relay_activation_t service_activation_run(relay_streams_t *streams,
                                          const service_activation_t *activation)
{
    relay_activation_t outcome =
        activate_hash(streams, activation, activation->requester, activation->target);
    if (outcome == RELAY_UNKNOWN && activation->target_prepared) {
        outcome = activate_hash(streams, activation, activation->requester_prepared,
                                activation->target_prepared);
    }
    return outcome;
}
