/**
 * Shared by the glue files of the module: configuration, what is known of a request, the parts'
 * functions.
 *
 * Glue parses, asks the library (jf_*.h) and answers; it decides nothing about bytes or quotas.
 */
#ifndef MOD_JABBERFILES_PRIVATE_H
#define MOD_JABBERFILES_PRIVATE_H

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>

#include "jf_domain.h"
#include "jf_guess.h"
#include "jf_names.h"
#include "jf_service.h"
#include "jf_slot.h"
#include "jf_upload.h"

extern module AP_MODULE_DECLARE_DATA jabberfiles_module;
APLOG_USE_MODULE(jabberfiles);

/** Every log line has a tag of its own; a guard proves that none is used twice. */
#define JFLOGNO(number) "JF" #number ": "

/** r->handler of requests that the module answers itself. */
#define JFM_HANDLER "jabberfiles"

/* ---- configuration (mod_jabberfiles_config.c) ---- */

typedef enum { JFM_CORS_ALL, JFM_CORS_OFF, JFM_CORS_LIST } jfm_cors_t;

/* A setting is named once: the lists below make the struct, the "unset" it starts with, and its
 * merge. NUM members start as JFM_UNSET, PTR members as NULL. */
#define JFM_UNSET (-100)

/* Policy that depends on the URL. */
#define JFM_DIR_MEMBERS(NUM, PTR)                                                      \
    NUM(int, is_on)                                                                    \
    PTR(const char *, base) /* path of the <Location> that is BASE, "" for the root */ \
    NUM(apr_int64_t, quota_bytes)                                                      \
    NUM(apr_int64_t, max_file_bytes)                                                   \
    NUM(apr_int64_t, expire_us)                                                        \
    PTR(const char *, base_url)                                                        \
    PTR(apr_array_header_t *, inline_types) /* of const char * */                      \
    NUM(int, cors)                                                                     \
    PTR(apr_array_header_t *, cors_origins) /* of const char * */                      \
    NUM(apr_int64_t, guesses_per_jid)                                                  \
    NUM(apr_int64_t, guesses_per_address)                                              \
    NUM(apr_int64_t, guess_period_us)                                                  \
    NUM(int, has_tls_proxy)                                                            \
    PTR(apr_array_header_t *, slot_secrets) /* of const jf_slot_secret_t * */          \
    NUM(int, has_slot_service)                                                         \
    NUM(apr_int64_t, transfer_quota_bytes)                                             \
    NUM(apr_int64_t, transfer_period) /* a jf_period_t */                              \
    NUM(int, counts_owner)                                                             \
    NUM(apr_int64_t, rate_bytes_per_s)                                                 \
    NUM(apr_int64_t, upload_rate_bytes_per_s)                                          \
    NUM(int, is_metered)                                                               \
    NUM(int, shows_jids)

/* Where things are, and whom they are for. */
#define JFM_SERVER_MEMBERS(NUM, PTR)                                                  \
    NUM(int, has_location)   /* some <Location> of this server is a BASE */           \
    NUM(int, has_area_terms) /* some section has terms for some areas */              \
    PTR(const char *, store)                                                          \
    PTR(const char *, database)                                                       \
    NUM(int, durability)                                                              \
    PTR(apr_array_header_t *, domains) /* of jf_domain_t * */                         \
    PTR(const char *, daemon)          /* of the main server */                       \
    PTR(apr_proc_mutex_t *, turn)      /* of the children that write to the ledger */ \
    PTR(jf_service_t *, service)       /* of this process, set in child_init */

#define JFM_DECLARE(type, name) type name;

typedef struct jfm_dir_config_t {
    JFM_DIR_MEMBERS(JFM_DECLARE, JFM_DECLARE)
} jfm_dir_config_t;

typedef struct jfm_server_config_t {
    JFM_SERVER_MEMBERS(JFM_DECLARE, JFM_DECLARE)
} jfm_server_config_t;

/* mod_jabberfiles_directives.c: what fills them in. */
extern const command_rec jfm_commands[];
/** NULL, or the message with the directive's name in front, as httpd wants it. */
const char *jfm_directive_message(const cmd_parms *cmd, const jf_err_t *err);
/** The path of the <Location> that a directive stands in, without slashes at the end. */
const char *jfm_directive_base(const cmd_parms *cmd);
/** mod_jabberfiles_slot_secrets.c: JabberFilesSlotSecret. */
const char *jfm_add_slot_secret(cmd_parms *cmd, void *dir, const char *kind, const char *file,
                                const char *option);

/** mod_jabberfiles_traffic_directives.c: quota and rates of transfers. */
const char *jfm_set_transfer_quota(cmd_parms *cmd, void *dir, const char *size, const char *period);
const char *jfm_set_rate(cmd_parms *cmd, void *dir, const char *text);
const char *jfm_set_upload_rate(cmd_parms *cmd, void *dir, const char *text);
const char *jfm_set_count_owner(cmd_parms *cmd, void *dir, int is_on);
const char *jfm_set_meter(cmd_parms *cmd, void *dir, int is_on);
const char *jfm_set_show_jids(cmd_parms *cmd, void *dir, int is_on);

void *jfm_dir_config_create(apr_pool_t *pool, char *path);
void *jfm_dir_config_merge(apr_pool_t *pool, void *base, void *add);
void *jfm_server_config_create(apr_pool_t *pool, server_rec *server);
void *jfm_server_config_merge(apr_pool_t *pool, void *base, void *add);

jfm_dir_config_t *jfm_dir_config(const request_rec *r);
jfm_server_config_t *jfm_server_config(const server_rec *server);

/** Effective values: what was set, or the documented default. */
apr_int64_t jfm_quota_bytes(const jfm_dir_config_t *config);
apr_int64_t jfm_max_file_bytes(const jfm_dir_config_t *config);
apr_interval_time_t jfm_expire_us(const jfm_dir_config_t *config);
jfm_cors_t jfm_cors(const jfm_dir_config_t *config);
jf_durability_t jfm_durability(const jfm_server_config_t *config);
jf_guess_limits_t jfm_guess_limits(const jfm_dir_config_t *config);
apr_int64_t jfm_transfer_quota_bytes(const jfm_dir_config_t *config);
jf_period_t jfm_transfer_period(const jfm_dir_config_t *config);
apr_int64_t jfm_rate_bytes_per_s(const jfm_dir_config_t *config);
apr_int64_t jfm_upload_rate_bytes_per_s(const jfm_dir_config_t *config);
int jfm_is_metered(const jfm_dir_config_t *config);
const char *jfm_daemon_path(const jfm_server_config_t *config);

/* ---- a request ---- */

typedef struct jfm_request_t {
    jfm_dir_config_t *config;
    jfm_server_config_t *server;
    jf_name_t name;
    const jf_file_t *file; /**< GET: what is served, NULL until it is found */
    const char *content;   /**< GET: all of it, if we and not the core deliver it, else NULL */
    apr_table_t *headers;  /**< what goes with every answer to this request, errors and 304 too */
    const jf_err_t *err;   /**< why the request was refused, NULL if it was not (or not by us) */
    int is_counted;        /**< as a refusal, for server-status */
    int body_was_taken;    /**< the request's content was read, or there is none */
    int is_logging_in;     /**< the login modules are at work, called by jfm_login */
    const jf_err_t *login_err; /**< why the password could not be checked, NULL if it could */
} jfm_request_t;

/** What the module knows of a request; NULL if the request is not for it. */
jfm_request_t *jfm_request(const request_rec *r);

/* ---- traffic ---- */

/** mod_jabberfiles_terms.c: what an area may transfer: its own terms, or the configuration's. */
typedef struct jfm_terms_t {
    jf_traffic_key_t key;
    apr_int64_t quota_bytes;        /**< downloaded per key.period, or JF_UNLIMITED */
    apr_int64_t rate_bytes_per_s;   /**< of all downloads together, or JF_UNLIMITED */
    apr_int64_t upload_bytes_per_s; /**< of all uploads together, or JF_UNLIMITED */
} jfm_terms_t;
void jfm_terms(jfm_terms_t *terms, const jfm_dir_config_t *config, apr_int64_t area_id,
               const jf_transfer_limit_t *of_area);

/** mod_jabberfiles_usage.c: how much of both quotas of an area is used. */
typedef struct jfm_usage_t {
    apr_int64_t used_bytes;
    apr_int64_t quota_bytes; /**< or JF_UNLIMITED */
    apr_int64_t transferred_bytes;
    apr_int64_t transfer_quota_bytes; /**< or JF_UNLIMITED */
    jf_period_t period;
    apr_time_t period_start_us;
    apr_time_t period_end_us;
} jfm_usage_t;
jf_err_t *jfm_usage(jfm_usage_t *usage, request_rec *r, const jf_area_t *area);
/** Tells it to an owner who has uploaded, in header fields; an error is logged only. */
void jfm_set_usage_headers(request_rec *r, const jf_area_t *area);

/** mod_jabberfiles_meter.c: a download, from its admission to the last byte. */
void jfm_register_meter(void);
/** OK and the answer is counted from here on; or the status to refuse with. */
int jfm_meter_download(request_rec *r, const jf_file_t *file);

/** mod_jabberfiles_wire.c: connections that downloads of this process go over. */
int jfm_wire_pre_connection(conn_rec *c, void *socket);
void jfm_wire_child_init(apr_pool_t *pchild);
/** Ten times a second: progress, and each download's share of its area's rate. */
void jfm_wire_tick(apr_time_t now_us);
/** mod_jabberfiles_ticker.c: the thread that does it, as long as the process has any download. */
jf_err_t *jfm_ticker_child_init(apr_pool_t *pchild);

/** mod_jabberfiles_feed.c: paced downloads over TLS; says that there may be some. */
void jfm_register_feed(void);
void jfm_feed_pre_config(void);
void jfm_feed_expect(void);

/** mod_jabberfiles_flush.c: brings the ledger up to date, now in a child or when httpd ends. */
void jfm_flush(const jf_service_t *service, server_rec *server, apr_pool_t *pool);
void jfm_flush_at_end(apr_pool_t *pconf, server_rec *main);

/** mod_jabberfiles_metrics.c: the page for Prometheus, a handler of its own. */
#define JFM_METRICS_HANDLER "jabberfiles-metrics"
int jfm_metrics(request_rec *r);

/* ---- parts ---- */

/** mod_jabberfiles_life.c: from reading the configuration to the end of a child. */
int jfm_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);
int jfm_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main);
int jfm_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main);
void jfm_child_init(apr_pool_t *pchild, server_rec *main);

/**
 * The stores of this process, each once, as array of const jfm_server_config_t *; NULL before
 * child_init. Its service is NULL if the store could not be opened.
 */
const apr_array_header_t *jfm_stores(void);

/** mod_jabberfiles_setup.c: creates store and ledger of @a config as the user that children run as.
 */
jf_err_t *jfm_setup(const jfm_server_config_t *config, server_rec *server, apr_pool_t *pool);
/** mod_jabberfiles_helper.c: lets a short-lived process with the children's user do @a work. */
typedef jf_err_t *jfm_work_t(const jfm_server_config_t *config, apr_pool_t *pool);
jf_err_t *jfm_help(jfm_work_t *work, const jfm_server_config_t *config, server_rec *server,
                   apr_pool_t *pool);

/** mod_jabberfiles_map.c: what a URL means. */
int jfm_translate(request_rec *r);
int jfm_map_to_storage(request_rec *r);
int jfm_type_checker(request_rec *r);
int jfm_fixups(request_rec *r);
/** What came for the owner of an area under the hash of the JID is in the area from now on. */
jf_err_t *jfm_meet_owner(const request_rec *r);
int jfm_handler(request_rec *r);

/** mod_jabberfiles_access.c: who may do it. */
void jfm_register_access(apr_pool_t *pool);
/** OK, or the status to refuse with: an area is for its owner, whatever Require says. */
int jfm_check_owner(request_rec *r);

/** 1 if some JabberFilesDomain names the domain of a prepared JID. */
int jfm_is_served(const jfm_server_config_t *server, const char *jid);
/** JF_ERR_FORBIDDEN if none does. */
jf_err_t *jfm_check_served(const jfm_server_config_t *server, const char *jid, apr_pool_t *pool);

/** Refuses whatever else of httpd (DocumentRoot, Alias, a CGI's path) leads into a store. */
int jfm_protect_store(request_rec *r);

/** mod_jabberfiles_login.c: "AuthBasicProvider jabber", and what surrounds any login with Basic. */
void jfm_register_login(apr_pool_t *pool);
int jfm_login(request_rec *r);
/**
 * The prepared JID that a user name stands for: with one domain, the localpart is enough.
 * @return JF_ERR_INVALID if it stands for none.
 */
jf_err_t *jfm_login_jid(const char **jid, const request_rec *r, const char *user);

/** mod_jabberfiles_guess.c: limits for wrong passwords, counted in all processes together. */
int jfm_guess_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);
jf_err_t *jfm_guess_create(apr_pool_t *pconf, server_rec *main);
jf_err_t *jfm_guess_child_init(apr_pool_t *pchild);
/** NULL: jfm_guess_end must follow; JF_ERR_TOO_MANY, and Retry-After is set, or another error. */
jf_err_t *jfm_guess_begin(jf_guess_t *guess, request_rec *r, const char *jid, const char *password);
/** NULL, or JF_ERR_TOO_MANY if it was one wrong password too many from this address. */
jf_err_t *jfm_guess_end(jf_guess_t *guess, request_rec *r, const char *jid,
                        jf_guess_outcome_t outcome);

/** mod_jabberfiles_waiting.c: how many threads of a child may wait for Jabber servers. */
jf_err_t *jfm_waiting_child_init(apr_pool_t *pchild);
/** 1: the thread may wait, and jfm_waiting_end must follow; 0: too many wait already. */
int jfm_waiting_begin(void);
void jfm_waiting_end(int has_verdict);

/** mod_jabberfiles_daemon.c: starts jabberfilesd if some login needs it, and watches it. */
jf_err_t *jfm_daemon_start(apr_pool_t *pconf, server_rec *main);
void jfm_daemon_child_init(void);
int jfm_daemon_monitor(apr_pool_t *pool, server_rec *main);
/** mod_jabberfiles_daemon_config.c: 1 if some directive names the provider jabber. */
int jfm_daemon_is_needed(apr_pool_t *pool);
/** The line that it is told; JF_ERR_INVALID if two servers name a domain in different ways. */
jf_err_t *jfm_daemon_config(const char **line, const server_rec *main, apr_pool_t *pool);
/** Where it listens, or NULL if no login needs it. */
const char *jfm_daemon_socket(void);

/** What each method does; they return a status as handlers do. */
int jfm_get_fixups(request_rec *r); /* mod_jabberfiles_get.c: the core's default handler delivers */
void jfm_register_get(void);
int jfm_deliver(request_rec *r); /* what jfm_get_fixups has loaded */
int jfm_put(request_rec *r);     /* mod_jabberfiles_put.c */
int jfm_delete(request_rec *r);  /* mod_jabberfiles_delete.c */
int jfm_list(request_rec *r);    /* mod_jabberfiles_list.c */
int jfm_options(request_rec *r); /* mod_jabberfiles_headers.c */

/**
 * mod_jabberfiles_receive.c: what every upload has in common. Header fields that no upload may
 * have; OK, or the status to refuse with.
 */
int jfm_check_content_fields(request_rec *r);
/** Fills in what the header says of the content: length and digest. @return JF_ERR_INVALID */
jf_err_t *jfm_describe_content(jf_upload_request_t *upload, request_rec *r);
/** What an upload has become; lives as long as the request. */
typedef struct jfm_received_t {
    jf_file_t file;
    int created;
    const jf_area_t *area; /**< as it is with the file */
} jfm_received_t;
/** Takes the content and makes the file: OK, or the status to refuse with. */
int jfm_receive(jfm_received_t *received, request_rec *r, jf_upload_request_t *request);
/** Answers 201 or 200 with the link. @param location for the field of this name */
int jfm_answer_upload(request_rec *r, const jf_file_t *file, int created, const char *location);

/** mod_jabberfiles_slots.c: uploads whose URL was granted by a Jabber server. */
int jfm_accepts_slots(const jfm_dir_config_t *config);
int jfm_slot_put(request_rec *r);
int jfm_accepts_slot_deletes(const jfm_dir_config_t *config);
int jfm_slot_delete(request_rec *r);
/** The largest upload by a slot, or JF_UNLIMITED: a tag of end-to-end encryption comes on top. */
apr_int64_t jfm_slot_max_bytes(const jfm_dir_config_t *config);
/** mod_jabberfiles_slot_service.c: grants slots to ejabberd. */
int jfm_slot_service(request_rec *r);
/** mod_jabberfiles_slot_tokens.c: keeps tokens out of logs, in the first hook of a request. */
int jfm_hide_slot_token(request_rec *r);
/** The same for a request that has no first hook, because httpd could not read it. */
int jfm_hide_slot_token_late(request_rec *r);
/** Says where tokens come in URLs. */
void jfm_slot_tokens_come_below(const char *base);
/** The query that was hidden, or what is left of it in the request; NULL if there is none. */
const char *jfm_slot_query(const request_rec *r);
/** Forgets what was known of the configuration that is read anew. */
void jfm_slot_secrets_pre_config(apr_pool_t *pconf);
void jfm_slot_tokens_pre_config(apr_pool_t *pconf);

/** mod_jabberfiles_precondition.c: If-Match and the others, to be judged in the transaction. */
jf_precondition_t jfm_precondition(request_rec *r);

/** mod_jabberfiles_links.c: URLs that are handed out, absolute. */
const char *jfm_link_url(request_rec *r, const jf_file_t *file);
/** The absolute form of BASE and what is below it; @a path is percent-encoded. */
const char *jfm_absolute_url(request_rec *r, const char *path);
const char *jfm_area_url(request_rec *r, const char *jid, const char *path);
/** The strong entity tag of a file's content, with its quotes. */
const char *jfm_etag(const jf_file_t *file, apr_pool_t *pool);

/** mod_jabberfiles_list_html.c: a list as a page; links and names are escaped. */
typedef struct jfm_list_t {
    const char *jid;
    const char *prefix;
    jf_area_t area; /**< zeros if nothing was uploaded yet */
    jfm_usage_t usage;
    const apr_array_header_t *files; /**< of jf_file_t */
    const char *next_url;            /**< of the next page, or NULL */
} jfm_list_t;
int jfm_list_as_html(request_rec *r, const jfm_list_t *list);
/** mod_jabberfiles_list_json.c: the same for programs. */
int jfm_list_as_json(request_rec *r, const jfm_list_t *list);
/** 1 if Accept names JSON. A client that takes anything is taken for a person. */
int jfm_wants_json(const request_rec *r);

/** mod_jabberfiles_headers.c: what every answer of BASE carries, errors too. The first of these
 * comes once in each process, before any request. */
void jfm_make_common_headers(apr_pool_t *pool);
void jfm_set_common_headers(request_rec *r);
/** Sets a header field of the answer, whatever the answer will be; @a value lives as long as @a r.
 */
void jfm_set_header(request_rec *r, const char *name, const char *value);
/** Sets all of them again: some ways to an error in the core lose them. */
void jfm_restore_headers(request_rec *r);
/** Content-Security-Policy for a file that is not shown inline. */
void jfm_set_sandbox(request_rec *r);
/** Content-Security-Policy for a page of ours with this <style>. */
void jfm_set_page_policy(request_rec *r, const char *style);

/** mod_jabberfiles_error.c: the one map of library errors to HTTP. Logs, and returns the status. */
int jfm_refuse(request_rec *r, const jf_err_t *err);
/** The same with a status that a certain client understands better. */
int jfm_refuse_as(request_rec *r, const jf_err_t *err, int status);
/** The same for a plain reason with a sentence for the client. */
int jfm_refuse_invalid(request_rec *r, const char *sentence);
/** mod_jabberfiles_problem.c: explains a refusal in the body, as JSON or HTML. */
void jfm_register_problem(void);
void jfm_insert_problem(request_rec *r);

/** mod_jabberfiles_status.c: counters of all processes, and the page that shows them. */
jf_err_t *jfm_status_create(apr_pool_t *pconf);
/** Counts a refused request, once; before the client can know of it and ask for the counters. */
void jfm_status_count(request_rec *r);
/** The same for what was refused without an error page, such as 412 of the default handler. */
int jfm_status_count_late(request_rec *r);
void jfm_register_status(void);
/** Sums over the stores of this httpd. */
jf_err_t *jfm_status_totals(jf_totals_t *totals, apr_pool_t *pool);

/** mod_jabberfiles_janitor.c: sweeping in the background. */
void jfm_janitor_start(apr_pool_t *pconf, server_rec *main);
void jfm_janitor_child_init(apr_pool_t *pchild);

#endif
