#include "import.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "jf_names.h"

/* ---- layouts ---- */

/* ejabberd puts the thumbnail of an image beside it, under a random decimal number. */
static int is_thumbnail(const char *leaf)
{
    static const char *const endings[] = {".jpeg", ".png", ".gif", ".webp", NULL};
    size_t digits = strspn(leaf, "0123456789");
    int i = 0;
    while (endings[i] && strcmp(leaf + digits, endings[i]) != 0) {
        i++;
    }
    return digits > 0 && endings[i];
}

static int is_never_derived(const char *leaf)
{
    (void)leaf;
    return 0;
}

const import_layout_t import_layouts[] = {
    {"ejabberd", "USER/RANDOM/NAME", 2, 1, is_thumbnail},
    {"filer", "RANDOM/NAME", 1, 0, is_never_derived},
    {NULL, NULL, 0, 0, NULL},
};

/* ---- what is found in a directory ---- */

typedef struct walk_t {
    const import_layout_t *layout;
    const import_visitor_t *visitor;
} walk_t;

static const char *path_of(const import_directory_t *directory, const char *name, apr_pool_t *pool)
{
    return directory->depth == 0 ? name : apr_pstrcat(pool, directory->path, "/", name, NULL);
}

static jf_err_t *refuse(apr_pool_t *pool, const char *why)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "%s", why);
}

static jf_err_t *wrong_depth(const walk_t *walk, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "it is in the wrong depth: files of this layout are %s",
                       walk->layout->shape);
}

/* Says why what has this name can be neither a directory nor a file of the layout. */
static jf_err_t *check_entry(struct stat *st, const walk_t *walk, const import_directory_t *parent,
                             const char *name, apr_pool_t *pool)
{
    int is_above_files = parent->depth < walk->layout->depth;
    JF_TRY(import_look(st, parent, name, pool));
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) {
        return refuse(pool, S_ISLNK(st->st_mode) ? "it is a symbolic link"
                                                 : "it is neither a file nor a directory");
    }
    if (S_ISDIR(st->st_mode) != is_above_files) {
        return wrong_depth(walk, pool);
    }
    /* Servers make no hidden directories, but people do upload hidden files. */
    return is_above_files && name[0] == '.' ? refuse(pool, "it is hidden") : NULL;
}

/* The parser of URLs decides: what it takes for no link would be imported in vain. */
static jf_err_t *check_url(const import_file_t *file, apr_pool_t *pool)
{
    jf_name_t name;
    JF_TRY(jf_names_parse(&name, apr_pstrcat(pool, "/", file->path, NULL), pool));
    if (name.kind != JF_NAME_LINK || strcmp(name.token, file->token) != 0 ||
        strcmp(name.leaf, file->leaf) != 0) {
        return refuse(pool, "no link can have this path");
    }
    return NULL;
}

/* ---- files ---- */

static int compare_times(const struct timespec *a, const struct timespec *b)
{
    if (a->tv_sec != b->tv_sec) {
        return a->tv_sec < b->tv_sec ? -1 : 1;
    }
    return (a->tv_nsec > b->tv_nsec) - (a->tv_nsec < b->tv_nsec);
}

/* A hidden file beside another one is the copy that some program has not finished. */
static int is_by_product(const import_layout_t *layout, const import_file_t *file)
{
    return file->leaf[0] == '.' || layout->is_derived(file->leaf);
}

/* Whether @a a has a better claim to the link of their directory: it is what was uploaded. */
static int comes_before(const import_layout_t *layout, const import_file_t *a,
                        const import_file_t *b)
{
    int by_product_a = is_by_product(layout, a);
    int by_product_b = is_by_product(layout, b);
    if (by_product_a != by_product_b) {
        return by_product_b;
    }
    int order = compare_times(&a->st.st_mtim, &b->st.st_mtim);
    return order ? order < 0 : strcmp(a->leaf, b->leaf) < 0;
}

/* Moves the file that has the link to the front. */
static void choose_first(apr_array_header_t *files, const import_layout_t *layout)
{
    int first = 0;
    for (int i = 1; i < files->nelts; i++) {
        if (comes_before(layout, &APR_ARRAY_IDX(files, i, import_file_t),
                         &APR_ARRAY_IDX(files, first, import_file_t))) {
            first = i;
        }
    }
    import_file_t chosen = APR_ARRAY_IDX(files, first, import_file_t);
    for (int i = first; i > 0; i--) {
        APR_ARRAY_IDX(files, i, import_file_t) = APR_ARRAY_IDX(files, i - 1, import_file_t);
        APR_ARRAY_IDX(files, i, import_file_t).first = chosen.leaf;
    }
    for (int i = first + 1; i < files->nelts; i++) {
        APR_ARRAY_IDX(files, i, import_file_t).first = chosen.leaf;
    }
    APR_ARRAY_IDX(files, 0, import_file_t) = chosen;
}

static void gather_file(apr_array_header_t *files, const walk_t *walk,
                        const import_directory_t *parent, const char *name, apr_pool_t *pool)
{
    import_file_t file = {
        .parent = parent,
        .path = path_of(parent, name, pool),
        .token = parent->path,
        .leaf = name,
    };
    jf_err_t *err = check_entry(&file.st, walk, parent, name, pool);
    if (!err) {
        err = check_url(&file, pool);
    }
    if (err) {
        walk->visitor->refuse(walk->visitor->baton, file.path, err->text);
        return;
    }
    APR_ARRAY_PUSH(files, import_file_t) = file;
}

static jf_err_t *visit_files(const walk_t *walk, const import_directory_t *parent,
                             const apr_array_header_t *names, apr_pool_t *pool)
{
    apr_array_header_t *files = apr_array_make(pool, names->nelts, sizeof(import_file_t));
    for (int i = 0; i < names->nelts; i++) {
        gather_file(files, walk, parent, APR_ARRAY_IDX(names, i, const char *), pool);
    }
    if (files->nelts > 1) {
        choose_first(files, walk->layout);
    }
    for (int i = 0; i < files->nelts; i++) {
        JF_TRY(walk->visitor->visit(walk->visitor->baton, &APR_ARRAY_IDX(files, i, import_file_t),
                                    pool));
    }
    return NULL;
}

/* ---- directories ---- */

static jf_err_t *visit_directory(const walk_t *walk, const import_directory_t *directory,
                                 apr_pool_t *pool);

static jf_err_t *enter(const walk_t *walk, const import_directory_t *parent, const char *name,
                       apr_pool_t *pool)
{
    import_directory_t directory;
    struct stat st;
    jf_err_t *err = check_entry(&st, walk, parent, name, pool);
    if (!err) {
        err = import_open_directory(&directory, parent, name, pool);
    }
    if (err) {
        walk->visitor->refuse(walk->visitor->baton, path_of(parent, name, pool), err->text);
        return NULL;
    }
    err = visit_directory(walk, &directory, pool);
    close(directory.fd);
    return err;
}

/* Recursion ends at the layout's depth. */
static jf_err_t *visit_directories(const walk_t *walk, const import_directory_t *parent,
                                   const apr_array_header_t *names, apr_pool_t *pool)
{
    apr_pool_t *each;
    apr_pool_create(&each, pool);
    for (int i = 0; i < names->nelts; i++) {
        apr_pool_clear(each);
        JF_TRY(enter(walk, parent, APR_ARRAY_IDX(names, i, const char *), each));
    }
    apr_pool_destroy(each);
    return NULL;
}

static jf_err_t *visit_directory(const walk_t *walk, const import_directory_t *directory,
                                 apr_pool_t *pool)
{
    apr_array_header_t *names;
    jf_err_t *err = import_names(&names, directory, pool);
    if (err && directory->depth > 0) {
        walk->visitor->refuse(walk->visitor->baton, directory->path, err->text);
        return NULL;
    }
    JF_TRY(err);
    return directory->depth < walk->layout->depth ? visit_directories(walk, directory, names, pool)
                                                  : visit_files(walk, directory, names, pool);
}

jf_err_t *import_walk(const import_directory_t *root, const import_layout_t *layout,
                      const import_visitor_t *visitor, apr_pool_t *pool)
{
    walk_t walk = {layout, visitor};
    return visit_directory(&walk, root, pool);
}
