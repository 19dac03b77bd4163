/* ls: the files of the area. */

#include <stdlib.h>
#include <string.h>

#include "http_area.h"
#include "jf_units.h"
#include "output.h"
#include "tool_table.h"
#include "tool_text.h"

static const char *text_of(const json_t *file, const char *name)
{
    const char *text = json_string_value(json_object_get(file, name));
    return text ? text : "";
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(text_of(*(json_t *const *)a, "path"), text_of(*(json_t *const *)b, "path"));
}

/* The files of the list, sorted by name; array of json_t *. */
static apr_array_header_t *sorted_files(const json_t *list, apr_pool_t *pool)
{
    apr_array_header_t *files = apr_array_make(pool, 64, sizeof(json_t *));
    size_t i;
    json_t *file;
    json_array_foreach(json_object_get(list, "files"), i, file)
    {
        APR_ARRAY_PUSH(files, json_t *) = file;
    }
    qsort(files->elts, (size_t)files->nelts, sizeof(json_t *), compare_paths);
    return files;
}

/* ---- for programs ---- */

static void print_json(const client_t *client, const apr_array_header_t *files)
{
    static const char *const members[] = {"path",    "size_bytes", "content_type", "created",
                                          "expires", "link",       "url",          NULL};
    for (int i = 0; i < files->nelts; i++) {
        const json_t *file = APR_ARRAY_IDX(files, i, json_t *);
        json_t *object = json_pack("{s:s}", "type", "file");
        for (const char *const *name = members; *name; name++) {
            json_t *value = json_object_get(file, *name);
            json_object_set_new(object, *name, value ? json_incref(value) : json_null());
        }
        output_json(client, object);
    }
}

/* ---- for people ---- */

static void add_row(tool_table_t *table, const json_t *file, int has_expiry, apr_pool_t *pool)
{
    const json_t *size = json_object_get(file, "size_bytes");
    const char *size_text = json_is_integer(size) && json_integer_value(size) >= 0
                                ? jf_units_format_bytes((apr_int64_t)json_integer_value(size), pool)
                                : "-";
    const char *const with_expiry[] = {size_text, http_area_minute(file, "created", pool),
                                       http_area_minute(file, "expires", pool),
                                       text_of(file, "path"), text_of(file, "link")};
    const char *const without[] = {with_expiry[0], with_expiry[1], with_expiry[3], with_expiry[4]};
    tool_table_add(table, has_expiry ? with_expiry : without);
}

static int any_expires(const apr_array_header_t *files)
{
    for (int i = 0; i < files->nelts; i++) {
        if (*text_of(APR_ARRAY_IDX(files, i, json_t *), "expires")) {
            return 1;
        }
    }
    return 0;
}

static void print_table(const apr_array_header_t *files, apr_pool_t *pool)
{
    static const char *const with_expiry[] = {">SIZE", "CREATED (UTC)", "EXPIRES (UTC)",
                                              "NAME",  "LINK",          NULL};
    static const char *const without[] = {">SIZE", "CREATED (UTC)", "NAME", "LINK", NULL};
    int has_expiry = any_expires(files);
    tool_table_t *table = tool_table_make(has_expiry ? with_expiry : without, pool);
    for (int i = 0; i < files->nelts; i++) {
        add_row(table, APR_ARRAY_IDX(files, i, json_t *), has_expiry, pool);
    }
    tool_table_print(table);
}

jf_err_t *cmd_ls(client_t *client)
{
    http_t *http;
    json_t *list;
    JF_TRY(http_open(&http, client, client->pool));
    JF_TRY(http_area_list(&list, http, client->pool));
    const apr_array_header_t *files = sorted_files(list, client->pool);
    if (client->options->is_json) {
        print_json(client, files);
    } else if (files->nelts > 0) {
        print_table(files, client->pool);
    } else {
        output_note(client, "the area of %s is empty; \"jabberfiles put FILE\" uploads a file",
                    client->account->jid);
    }
    json_decref(list);
    return NULL;
}
