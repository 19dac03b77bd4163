#include "mod_jabberfiles_pages.h"

#include <stdlib.h>

#include <jansson.h>

#include "jf_units.h"

static json_t *bytes_or_null(apr_int64_t bytes)
{
    return bytes == JF_UNLIMITED ? json_null() : json_integer(bytes);
}

static json_t *time_or_null(apr_time_t time_us, apr_pool_t *pool)
{
    return time_us == JF_NEVER ? json_null() : json_string(jf_units_format_time(time_us, pool));
}

static json_t *file_as_json(request_rec *r, const jf_file_t *file)
{
    json_t *object = json_object();
    json_object_set_new(object, "path", json_string(file->path));
    json_object_set_new(object, "size_bytes", json_integer(file->size_bytes));
    json_object_set_new(object, "content_type", json_string(file->media_type));
    json_object_set_new(object, "created", time_or_null(file->created_us, r->pool));
    json_object_set_new(object, "expires", time_or_null(file->expires_us, r->pool));
    json_object_set_new(object, "link", json_string(jfm_link_url(r, file)));
    json_object_set_new(object, "url", json_string(jfm_area_url(r, file->jid, file->path)));
    json_object_set_new(object, "etag", json_string(jfm_etag(file, r->pool)));
    return object;
}

static void add_transfer(json_t *object, const jfm_usage_t *usage, apr_pool_t *pool)
{
    json_object_set_new(object, "transferred_bytes",
                        usage->transferred_bytes == JFM_NOT_COUNTED
                            ? json_null()
                            : json_integer(usage->transferred_bytes));
    json_object_set_new(object, "transfer_quota_bytes", bytes_or_null(usage->transfer_quota_bytes));
    json_object_set_new(object, "transfer_period",
                        json_string(jf_period_format(usage->period, pool)));
    json_object_set_new(object, "period_start", time_or_null(usage->period_start_us, pool));
    json_object_set_new(object, "period_end", time_or_null(usage->period_end_us, pool));
}

static json_t *list_as_json(request_rec *r, const jfm_list_t *list)
{
    json_t *files = json_array();
    for (int i = 0; i < list->files->nelts; i++) {
        json_array_append_new(files, file_as_json(r, &APR_ARRAY_IDX(list->files, i, jf_file_t)));
    }
    json_t *object = json_object();
    json_object_set_new(object, "area", json_string(list->jid));
    json_object_set_new(object, "used_bytes", json_integer(list->area.used_bytes));
    json_object_set_new(object, "reserved_bytes", json_integer(list->area.reserved_bytes));
    json_object_set_new(object, "quota_bytes", bytes_or_null(list->usage.quota_bytes));
    add_transfer(object, &list->usage, r->pool);
    json_object_set_new(object, "files", files);
    json_object_set_new(object, "next", list->next_url ? json_string(list->next_url) : json_null());
    return object;
}

int jfm_list_as_json(request_rec *r, const jfm_list_t *list)
{
    json_t *object = list_as_json(r, list);
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (!text) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    ap_set_content_type(r, "application/json");
    ap_rputs(text, r);
    ap_rputs("\n", r);
    free(text);
    return OK;
}
