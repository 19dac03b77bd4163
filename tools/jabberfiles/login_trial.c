#include "login_trial.h"

#include <jansson.h>

#include "http_area.h"
#include "jf_units.h"
#include "output.h"
#include "xmpp_session.h"

static void tell_service(const client_t *client, const upload_service_t *service)
{
    if (!service) {
        output_note(client, "the Jabber server has no upload service");
    } else if (service->max_size_bytes == JF_UNLIMITED) {
        output_note(client, "%s takes files", service->jid);
    } else {
        output_note(client, "%s takes files up to %s", service->jid,
                    jf_units_format_bytes(service->max_size_bytes, client->pool));
    }
}

static jf_err_t *try_jabber(login_trial_t *trial, client_t *client)
{
    xmpp_session_t *session = NULL;
    upload_service_t *service = NULL;
    output_note(client, "logging in as %s …", client->account->jid);
    JF_TRY(xmpp_session_open(&session, client, client->pool));
    output_note(client, "the Jabber server knows you");
    jf_err_t *err = xmpp_disco_upload_service(&service, session, client->pool);
    xmpp_session_close(session);
    if (!err) {
        tell_service(client, service);
    }
    trial->service = service;
    return err;
}

static apr_int64_t number_in(const json_t *object, const char *name)
{
    const json_t *number = json_object_get(object, name);
    return json_is_integer(number) ? json_integer_value(number) : JF_UNLIMITED;
}

static jf_err_t *try_area(login_trial_t *trial, client_t *client)
{
    http_t *http = NULL;
    json_t *list = NULL;
    JF_TRY(http_open(&http, client, client->pool));
    JF_TRY(http_area_list(&list, http, client->pool));
    apr_int64_t used_bytes = number_in(list, "used_bytes");
    output_note(client, "the file area works: %s of %s are used",
                jf_units_format_bytes(used_bytes < 0 ? 0 : used_bytes, client->pool),
                jf_units_format_bytes(number_in(list, "quota_bytes"), client->pool));
    json_decref(list);
    trial->has_area = 1;
    return NULL;
}

jf_err_t *login_trial_run(login_trial_t *trial, client_t *client)
{
    *trial = (login_trial_t){0};
    jf_err_t *err = try_jabber(trial, client);
    if (err && (err->code != JF_ERR_UNAVAILABLE || !client->account->url)) {
        return err;
    }
    trial->jabber_err = err;
    return client->account->url ? try_area(trial, client) : NULL;
}
