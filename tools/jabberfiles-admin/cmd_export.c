/* export: the files of an area as plain files below a directory. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "admin_command.h"
#include "admin_content.h"
#include "admin_files.h"
#include "admin_output.h"
#include "jf_area.h"
#include "jf_names.h"
#include "tool_text.h"

typedef struct export_t {
    admin_t *admin;
    const char *jid;
    int root_fd;
    apr_int64_t file_count;
    apr_int64_t copied_bytes;
    json_t *failures;
} export_t;

/* ---- directories ---- */

static jf_err_t *open_directory(int *fd, int parent_fd, const char *name, apr_pool_t *pool)
{
    if (mkdirat(parent_fd, name, 0700) != 0 && errno != EEXIST) {
        return jf_err_from_system(errno, pool, "cannot create the directory %s", name);
    }
    *fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0) {
        return jf_err_from_system(errno, pool, "cannot use %s as a directory", name);
    }
    return NULL;
}

/* The directory that the operator named may be reached by a link; nothing below it may. */
static jf_err_t *open_root(int *fd, const char *directory, apr_pool_t *pool)
{
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        return jf_err_from_system(errno, pool, "cannot create the directory %s", directory);
    }
    *fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0) {
        return jf_err_from_system(errno, pool, "cannot open the directory %s", directory);
    }
    return NULL;
}

/* Opens the directory that the last segment of a path lies in, creating what is missing. */
static jf_err_t *open_parent(int *parent_fd, int root_fd, const char *path, apr_pool_t *pool)
{
    int fd = dup(root_fd);
    jf_err_t *err = fd < 0 ? jf_err_from_system(errno, pool, "cannot copy a descriptor") : NULL;
    for (const char *slash; !err && (slash = strchr(path, '/')); path = slash + 1) {
        int next_fd = -1;
        err = open_directory(&next_fd, fd, apr_pstrmemdup(pool, path, slash - path), pool);
        close(fd);
        fd = next_fd;
    }
    *parent_fd = fd;
    return err;
}

/* ---- one file ---- */

/* While httpd runs, the owner may replace or remove the file under our hands: then the ledger tells
 * of another object, or JF_ERR_NOT_FOUND. */
static jf_err_t *copy_content(const export_t *export, jf_file_t *file, int fd, apr_pool_t *pool)
{
    const admin_t *admin = export->admin;
    for (;;) {
        jf_file_t current;
        jf_err_t *err = admin_content_read(admin->service->store, file, fd, pool);
        if (!err) {
            return NULL;
        }
        JF_TRY(jf_ledger_file_by_path(&current, admin->service->ledger, export->jid, file->path,
                                      admin->now_us, pool));
        if (strcmp(current.object, file->object) == 0) {
            return err;
        }
        *file = current;
        if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0) {
            return jf_err_from_system(errno, pool, "cannot start the copy again");
        }
    }
}

/* Durable, because removing the area is often the next thing that happens. */
static jf_err_t *finish_copy(const jf_file_t *file, int fd, apr_pool_t *pool)
{
    struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = apr_time_sec(file->created_us),
         .tv_nsec = apr_time_usec(file->created_us) * 1000},
    };
    if (futimens(fd, times) != 0 || fsync(fd) != 0) {
        return jf_err_from_system(errno, pool, "cannot finish the copy");
    }
    return NULL;
}

static jf_err_t *export_into(const export_t *export, jf_file_t *file, int parent_fd,
                             apr_pool_t *pool)
{
    const char *leaf = jf_names_leaf(file->path);
    int fd = openat(parent_fd, leaf, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return jf_err_from_system(errno, pool, "cannot create the file");
    }
    jf_err_t *err = copy_content(export, file, fd, pool);
    if (!err) {
        err = finish_copy(file, fd, pool);
    }
    if (close(fd) != 0 && !err) {
        err = jf_err_from_system(errno, pool, "cannot finish the copy");
    }
    if (err) {
        unlinkat(parent_fd, leaf, 0);
    }
    return err;
}

/* The path was checked when it was stored; a ledger that was edited by hand must not make us write
 * elsewhere. */
static jf_err_t *export_file(const export_t *export, jf_file_t *file, apr_pool_t *pool)
{
    int parent_fd;
    JF_TRY(jf_names_check_path(file->path, pool));
    JF_TRY(open_parent(&parent_fd, export->root_fd, file->path, pool));
    jf_err_t *err = export_into(export, file, parent_fd, pool);
    close(parent_fd);
    return err;
}

/* ---- all files ---- */

static void note_failure(export_t *export, const jf_file_t *file, const jf_err_t *err,
                         apr_pool_t *pool)
{
    export->admin->exit_code = ADMIN_FAILED;
    json_array_append_new(export->failures,
                          json_pack("{s:o, s:o}", "path", tool_text_json(file->path, pool),
                                    "message", tool_text_json(err->text, pool)));
    if (!export->admin->options->is_json) {
        admin_output_complain(pool, "%s: %s", file->path, err->text);
    }
}

static void export_one(void *baton, const jf_file_t *listed, apr_pool_t *pool)
{
    export_t *export = baton;
    jf_file_t file = *listed;
    apr_pool_t *own;
    apr_pool_create(&own, pool);
    jf_err_t *err = export_file(export, &file, own);
    if (!err) {
        export->file_count++;
        export->copied_bytes += file.size_bytes;
    } else if (err->code != JF_ERR_NOT_FOUND) {
        note_failure(export, listed, err, own);
    }
    apr_pool_destroy(own);
}

static void report(export_t *export, const char *directory)
{
    const admin_t *admin = export->admin;
    if (admin->options->is_json) {
        admin_output_print_json(
            json_pack("{s:o, s:o, s:I, s:I, s:o}", "area", tool_text_json(export->jid, admin->pool),
                      "directory", tool_text_json(directory, admin->pool), "file_count",
                      (json_int_t) export->file_count, "copied_bytes",
                      (json_int_t) export->copied_bytes, "failures", export->failures));
        return;
    }
    admin_output_say(admin, "copied %" APR_INT64_T_FMT " files, %s, to %s", export->file_count,
                     tool_text_exact_bytes(export->copied_bytes, admin->pool), directory);
    json_decref(export->failures);
}

jf_err_t *cmd_export(admin_t *admin)
{
    const char *directory = admin->options->arguments[1];
    jf_area_t area;
    export_t export = {.admin = admin};
    JF_TRY(jf_area_prepare(&export.jid, admin->options->arguments[0], admin->pool));
    JF_TRY(jf_ledger_area_get(&area, admin->service->ledger, export.jid, admin->pool));
    JF_TRY(open_root(&export.root_fd, directory, admin->pool));
    export.failures = json_array();
    jf_err_t *err = admin_files_each(admin, export.jid, export_one, &export);
    close(export.root_fd);
    report(&export, directory);
    return err;
}
