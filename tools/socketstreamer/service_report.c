#include "service_report.h"

#include <apr_escape.h>
#include <apr_strings.h>

#include "service_log.h"
#include "tool_text.h"

static const char *const cause_words[RELAY_CAUSES] = {
    [RELAY_FINISHED] = "closed by ",
    [RELAY_BROKEN] = "broken by ",
    [RELAY_IDLE] = "idle",
    [RELAY_TOTAL_TIME] = "total time",
    [RELAY_STREAM_BYTES] = "stream-bytes",
    [RELAY_DAY_BYTES] = "day-bytes",
    [RELAY_DRAINED] = "drained",
};

static const char *const loss_words[] = {
    [RELAY_LEFT] = "who was connected has left",
    [RELAY_TOO_LATE] = "activation-timeout",
    [RELAY_SHUT] = "shutting down",
};

void service_report_ended(const relay_report_t *report)
{
    apr_pool_t *pool;
    apr_pool_create(&pool, NULL);
    const char *target = tool_text_visible(report->jids[RELAY_TARGET], pool);
    const char *requester = tool_text_visible(report->jids[RELAY_REQUESTER], pool);
    int has_side = report->cause == RELAY_FINISHED || report->cause == RELAY_BROKEN;
    const char *side = report->side == RELAY_TARGET ? target : requester;
    service_log("JF0210",
                "stream %" APR_UINT64_T_FMT " from %s to %s: %" APR_INT64_T_FMT
                " bytes to %s, %" APR_INT64_T_FMT " bytes to %s, %" APR_INT64_T_FMT " ms, %s%s",
                report->number, requester, target, report->bytes_to[RELAY_TARGET], target,
                report->bytes_to[RELAY_REQUESTER], requester,
                (apr_int64_t)apr_time_as_msec(report->duration_us), cause_words[report->cause],
                has_side ? side : "");
    apr_pool_destroy(pool);
}

void service_report_lost(const unsigned char *hash, relay_loss_t loss)
{
    char hex[RELAY_HASH_CHARS + 1];
    apr_escape_hex(hex, hash, RELAY_HASH_BYTES, 0, NULL);
    service_log("JF0211", "stream %s was never activated: %s", hex, loss_words[loss]);
}

void service_report_refused(const char *user, relay_activation_t outcome)
{
    apr_pool_t *pool;
    apr_pool_create(&pool, NULL);
    service_log("JF0209", "%s gets no stream: %s", tool_text_visible(user, pool),
                outcome == RELAY_OVER_STREAMS ? "streams-per-jid" : "day-bytes");
    apr_pool_destroy(pool);
}
