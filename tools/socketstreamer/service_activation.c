#include "service_activation.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/evp.h>

static relay_activation_t activate_hash(relay_streams_t *streams,
                                        const service_activation_t *activation,
                                        const char *requester, const char *target, apr_pool_t *pool)
{
    unsigned char hash[RELAY_HASH_BYTES];
    const char *text = apr_pstrcat(pool, activation->sid, requester, target, NULL);
    const char *const jids[RELAY_SIDES] = {
        [RELAY_TARGET] = activation->target, [RELAY_REQUESTER] = activation->requester};
    return EVP_Digest(text, strlen(text), hash, NULL, EVP_sha1(), NULL) == 1
               ? relay_streams_activate(streams, hash, jids, activation->user)
               : RELAY_UNKNOWN;
}

relay_activation_t service_activation_run(relay_streams_t *streams,
                                          const service_activation_t *activation, apr_pool_t *pool)
{
    relay_activation_t outcome =
        activate_hash(streams, activation, activation->requester, activation->target, pool);
    if (outcome == RELAY_UNKNOWN && activation->target_prepared) {
        outcome = activate_hash(streams, activation, activation->requester_prepared,
                                activation->target_prepared, pool);
    }
    return outcome;
}
