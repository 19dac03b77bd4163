#include "direct_ways.h"

#include <string.h>

const direct_way_t *const direct_ways[] = {
    &direct_way_serve,
    &direct_way_take,
    &direct_way_bytestream,
    NULL,
};

static int has_feature(const apr_array_header_t *features, const char *feature)
{
    for (int i = 0; i < features->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(features, i, const char *), feature) == 0) {
            return 1;
        }
    }
    return 0;
}

int direct_way_is_known(const direct_way_t *way, const apr_array_header_t *features)
{
    for (const char *const *feature = way->features; *feature; feature++) {
        if (!has_feature(features, *feature)) {
            return 0;
        }
    }
    return 1;
}

const direct_way_t *const *direct_way_next(const direct_way_t *const *ways,
                                           const apr_array_header_t *features, int may_show_address)
{
    while (*ways &&
           ((*ways)->shows_address > may_show_address || !direct_way_is_known(*ways, features))) {
        ways++;
    }
    return ways;
}

direct_peer_t *direct_choose_peer(const apr_array_header_t *peers, const direct_way_t *const *ways)
{
    for (; *ways; ways++) {
        for (int i = 0; i < peers->nelts; i++) {
            direct_peer_t *peer = APR_ARRAY_IDX(peers, i, direct_peer_t *);
            if (direct_way_is_known(*ways, peer->features)) {
                return peer;
            }
        }
    }
    return NULL;
}
