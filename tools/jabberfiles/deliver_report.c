#include "deliver_report.h"

#include <apr_strings.h>

#include "output.h"
#include "tool_text.h"

typedef struct state_t {
    const char *name;  /**< for programs */
    const char *words; /**< for people */
} state_t;

static state_t describe(delivery_state_t state)
{
    switch (state) {
    case DELIVERY_HANDED:
        return (state_t){"handed", "handed to the server"};
    case DELIVERY_POSTED:
        return (state_t){"posted", "posted in the room"};
    case DELIVERY_SENT:
        return (state_t){"sent", "sent"};
    case DELIVERY_REFUSED:
        return (state_t){"refused", "refused"};
    default:
        return (state_t){"failed", "failed"};
    }
}

static void report(const client_t *client, const delivery_t *delivery)
{
    state_t state = describe(delivery->state);
    output_result(client, "%s  %s%s%s", delivery->jid, state.words, delivery->reason ? ": " : "",
                  delivery->reason ? delivery->reason : "");
    json_t *reason =
        delivery->reason ? tool_text_json(delivery->reason, client->pool) : json_null();
    output_json(client, json_pack("{s:s, s:o, s:s, s:o}", "type", "recipient", "jid",
                                  tool_text_json(delivery->jid, client->pool), "state", state.name,
                                  "reason", reason));
}

void deliver_report(client_t *client, const apr_array_header_t *deliveries)
{
    int refused = 0;
    int failed = 0;
    for (int i = 0; i < deliveries->nelts; i++) {
        const delivery_t *delivery = APR_ARRAY_IDX(deliveries, i, const delivery_t *);
        report(client, delivery);
        refused += delivery->state == DELIVERY_REFUSED;
        failed += delivery->state == DELIVERY_FAILED;
    }
    if (refused + failed == 0) {
        client->exit_code = CLIENT_DONE;
    } else if (refused + failed < deliveries->nelts) {
        client->exit_code = CLIENT_PARTLY;
    } else {
        client->exit_code = failed > 0 ? CLIENT_UNAVAILABLE : CLIENT_REFUSED;
    }
}
