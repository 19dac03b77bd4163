#include "http_area.h"

#include <string.h>

#include <apr_strings.h>

#include "http_private.h"
#include "jf_names.h"

#define PAGE_BYTES_MAX (16 << 20)
/* Far more than any area has; a server that never says "that was the last" is not obeyed. */
#define PAGES_MAX 10000
/* "2026-11-23T05:48" of RFC 3339. */
#define MINUTE_LENGTH 16
#define DATE_LENGTH 10

/* ---- one page ---- */

typedef struct page_t {
    char *text;
    size_t bytes;
    size_t room_bytes;
    apr_pool_t *pool;
} page_t;

static jf_err_t *begin_page(void *baton, const http_answer_t *answer)
{
    (void)baton;
    (void)answer;
    return NULL;
}

static jf_err_t *add_to_page(void *baton, const char *data, size_t size)
{
    page_t *page = baton;
    if (size > PAGE_BYTES_MAX - page->bytes) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, page->pool,
                           "the server's list is longer than it can be");
    }
    if (page->bytes + size >= page->room_bytes) {
        page->room_bytes = 2 * (page->bytes + size) + 1;
        char *longer = apr_palloc(page->pool, page->room_bytes);
        memcpy(longer, page->text, page->bytes);
        page->text = longer;
    }
    memcpy(page->text + page->bytes, data, size);
    page->bytes += size;
    page->text[page->bytes] = '\0';
    return NULL;
}

static apr_table_t *wants_json(apr_pool_t *pool)
{
    apr_table_t *headers = apr_table_make(pool, 1);
    apr_table_setn(headers, "Accept", "application/json");
    return headers;
}

static jf_err_t *get_page(json_t **list, http_t *http, const char *url, apr_pool_t *pool)
{
    page_t page = {.text = apr_pstrdup(pool, ""), .pool = pool};
    http_sink_t sink = {.begin = begin_page, .write = add_to_page, .baton = &page};
    http_request_t request = {.method = "GET",
                              .url = url,
                              .trust = HTTP_OWN,
                              .is_as_owner = 1,
                              .headers = wants_json(pool),
                              .sink = &sink};
    http_answer_t *answer;
    JF_TRY(http_call(&answer, http, &request, pool));
    answer->body = page.text;
    if (answer->status == 404) {
        return jf_err_make(JF_ERR_NOT_FOUND, APR_SUCCESS, pool,
                           "there is no file area at %s: check the URL and the Jabber ID", url);
    }
    if (answer->status != 200) {
        return http_answer_error(answer, "listing the area", pool);
    }
    *list = json_loads(page.text, 0, NULL);
    if (!json_is_array(json_object_get(*list, "files"))) {
        json_decref(*list);
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool,
                           "what is at %s is no area of jabberfiles: check the URL", url);
    }
    return NULL;
}

/* ---- all of it ---- */

/* @param list takes the files of the page, or the page itself if it is the first. */
static jf_err_t *add_page(json_t **list, const char **next, http_t *http, const char *url,
                          apr_pool_t *pool)
{
    json_t *page = NULL;
    JF_TRY(get_page(&page, http, url, pool));
    const char *more = json_string_value(json_object_get(page, "next"));
    *next = more ? apr_pstrdup(pool, more) : NULL;
    if (*list) {
        json_array_extend(json_object_get(*list, "files"), json_object_get(page, "files"));
        json_decref(page);
    } else {
        *list = page;
    }
    return NULL;
}

static jf_err_t *add_pages(json_t **list, http_t *http, const char *url, apr_pool_t *pool)
{
    for (int count = 0; url; count++) {
        if (count == PAGES_MAX) {
            return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "the server's list has no end");
        }
        JF_TRY(add_page(list, &url, http, url, pool));
    }
    return NULL;
}

jf_err_t *http_area_list(json_t **list_out, http_t *http, apr_pool_t *pool)
{
    const account_t *account = http->client->account;
    json_t *list = NULL;
    JF_TRY(account_need_jid(account));
    JF_TRY(account_need_url(account));
    jf_err_t *err = add_pages(&list, http, account_area_url(account, "", pool), pool);
    if (err) {
        json_decref(list);
        return err;
    }
    *list_out = list;
    return NULL;
}

const char *http_area_minute(const json_t *object, const char *member, apr_pool_t *pool)
{
    const char *text = json_string_value(json_object_get(object, member));
    if (!text || strlen(text) < MINUTE_LENGTH) {
        return "-";
    }
    char *minute = apr_pstrmemdup(pool, text, MINUTE_LENGTH);
    minute[DATE_LENGTH] = ' ';
    return minute;
}

jf_err_t *http_area_delete(http_t *http, const char *path, apr_pool_t *pool)
{
    const account_t *account = http->client->account;
    const char *what = apr_pstrcat(pool, "deleting ", path, NULL);
    JF_TRY(account_need_jid(account));
    JF_TRY(account_need_url(account));
    JF_TRY(jf_names_check_path(path, pool));
    http_request_t request = {.method = "DELETE",
                              .url = account_area_url(account, path, pool),
                              .trust = HTTP_OWN,
                              .is_as_owner = 1,
                              .headers = wants_json(pool)};
    http_answer_t *answer;
    JF_TRY(http_call(&answer, http, &request, pool));
    if (answer->status == 404) {
        return jf_err_make(JF_ERR_NOT_FOUND, APR_SUCCESS, pool,
                           "%s: there is no such file in the area of %s; \"jabberfiles ls\" shows "
                           "what there is",
                           path, account->jid);
    }
    return answer->status == 200 || answer->status == 204 ? NULL
                                                          : http_answer_error(answer, what, pool);
}
