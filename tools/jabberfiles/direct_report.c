#include "direct_report.h"

#include <string.h>

#include "output.h"
#include "tool_text.h"

static const char *const states[] = {
    [DIRECT_DONE] = "done",
    [DIRECT_DECLINED] = "declined",
    [DIRECT_FAILED] = "failed",
};

const char *direct_report_state(direct_outcome_t outcome)
{
    return states[outcome];
}

static int is_state(const direct_report_t *report, const char *state)
{
    return strcmp(report->state, state) == 0;
}

static void tell_person(const client_t *client, const direct_report_t *report)
{
    const char *name = report->source->name;
    const char *reason = report->reason ? report->reason : "";
    if (is_state(report, "done")) {
        output_result(client, "%s  has %s, sent directly", report->jid, name);
    } else if (is_state(report, "declined")) {
        output_result(client, "%s  declined %s", report->jid, name);
    } else if (is_state(report, "begun")) {
        output_note(client, "%s goes to %s directly: %s", name, report->jid, report->way->words);
    } else if (is_state(report, "failed")) {
        output_note(client, "%s has not gone to %s in this way: %s", name, report->jid, reason);
    } else {
        output_note(client, "%s does not go to %s directly: %s", name, report->jid, reason);
    }
}

void direct_report(const client_t *client, const direct_report_t *report, apr_pool_t *pool)
{
    const source_file_t *source = report->source;
    tell_person(client, report);
    output_json(client,
                json_pack("{s:s, s:s, s:o, s:o, s:o, s:I, s:o, s:s?, s:o}", "type", "direct",
                          "state", report->state, "jid", tool_text_json(report->jid, pool), "path",
                          tool_text_json(source->path, pool), "name",
                          tool_text_json(source->name, pool), "size_bytes",
                          (json_int_t)source->size_bytes, "sha256",
                          tool_text_json_sha256(source->sha256, pool), "way",
                          report->way ? report->way->name : NULL, "reason",
                          report->reason ? tool_text_json(report->reason, pool) : json_null()));
}
