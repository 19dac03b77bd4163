#include "t_secret.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_strings.h>

#include "jf_base64.h"
#include "jf_login.h"

#define JID "alice@example.org"
#define PASSWORD "p\u00E4ss w\u00F6rt\n"

/* ---- the lines ---- */

/** Without the newline that has to be at its end and nowhere else. */
static char *without_newline(const char *line, apr_pool_t *pool)
{
    size_t length = strcspn(line, "\n");
    assert_string_equal(line + length, "\n");
    return apr_pstrmemdup(pool, line, length);
}

static void test_question(void **state)
{
    assert_string_equal(jf_login_format_question("alice@example.org", "secret", *state),
                        "LOGIN YWxpY2VAZXhhbXBsZS5vcmc= c2VjcmV0\n");
    assert_string_equal(jf_login_format_question("a@b", "", *state), "LOGIN YUBi \n");
}

static void test_questions_come_back(void **state)
{
    static const struct {
        const char *jid;
        const char *password;
    } cases[] = {
        {JID, "secret"},
        {JID, ""},
        {JID, " "},
        {JID, "a b  c "},
        {JID, PASSWORD},
        {JID, "LOGIN YUBi YUBi\n"},
        {JID, "\x01\xFF\r\n\t"},
        {"b\u00FCrger@b\u00FCcher.example", "\u043F\u0430\u0440\u043E\u043B\u044C"},
        {"a@[::1]", "="},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *jid = NULL;
        const char *password = NULL;
        char *line = jf_login_format_question(cases[i].jid, cases[i].password, *state);
        line = without_newline(line, *state);
        jf_test_ok(jf_login_parse_question(&jid, &password, line, *state), line);
        assert_string_equal(jid, cases[i].jid);
        assert_string_equal(password, cases[i].password);
    }
}

static void test_the_longest_question_fits(void **state)
{
    const char *jid =
        jf_test_repeat("", 'a', 1023, jf_test_repeat("@", 'b', 1023, "", *state), *state);
    const char *password = jf_test_repeat("", 'c', JF_LOGIN_PASSWORD_BYTES_MAX, "", *state);

    assert_true(strlen(jf_login_format_question(jid, password, *state)) <= JF_LOGIN_LINE_BYTES_MAX);
}

static void test_wrong_questions_are_refused(void **state)
{
    static const char *const lines[] = {
        "",
        " ",
        "  ",
        "LOGIN",
        "LOGIN ",
        "LOGIN YUBi",
        "LOGINYUBi YQ==",
        "login YUBi YQ==",
        "Login YUBi YQ==",
        " LOGIN YUBi YQ==",
        "LOGIN\tYUBi\tYQ==",
        "LOGIN  YUBi YQ==",
        "LOGIN YUBi  YQ==",
        "LOGIN YUBi YQ== ",
        "LOGIN YUBi YQ==\r",
        "LOGIN YUBi YQ==\n",
        "LOGIN YUBi YQ== YQ==",
        "LOGIN YUBi YQ",
        "LOGIN YUBi YQ=",
        "LOGIN YUBi YR==",
        "LOGIN YUB YQ==",
        "LOGIN alice@example.org secret",
        "LOGIN =YUB YQ==",
        "QUIT YUBi YQ==",
        "LOGIN AA== YQ==", /* a NUL */
        "LOGIN YUBi AA==",
        "LOGIN YQBi YQ==", /* "a", NUL, "b" */
        "LOGIN YUBi YQBi",
        "LOGIN YUBiAA== YQ==",
        "LOGIN YUBi YUBiAA==",
        "GET / HTTP/1.1",
        "accepted",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(lines); i++) {
        const char *jid = "untouched";
        const char *password = "untouched";
        jf_test_refused(jf_login_parse_question(&jid, &password, lines[i], *state), JF_ERR_INVALID,
                        lines[i]);
        assert_string_equal(jid, "untouched");
        assert_string_equal(password, "untouched");
    }
}

static void test_answers(void **state)
{
    static const struct {
        jf_login_answer_t answer;
        const char *line;
        const char *reason;
    } cases[] = {
        {{JF_LOGIN_ACCEPTED, ""}, "accepted\n", ""},
        {{JF_LOGIN_REFUSED, ""}, "refused\n", ""},
        {{JF_LOGIN_REFUSED, "not-authorized"}, "refused not-authorized\n", "not-authorized"},
        {{JF_LOGIN_UNAVAILABLE, "no answer within 10 s (DNS)"},
         "unavailable no answer within 10 s (DNS)\n",
         "no answer within 10 s (DNS)"},
        {{JF_LOGIN_UNAVAILABLE, " two  spaces "}, "unavailable  two  spaces \n", " two  spaces "},
        {{JF_LOGIN_REFUSED, "x\naccepted\n"}, "refused x?accepted?\n", "x?accepted?"},
        {{JF_LOGIN_REFUSED, "\x1B[31m\x7F\t\r"}, "refused ?[31m???\n", "?[31m???"},
        {{JF_LOGIN_REFUSED, "\u00FC\xFF ~"}, "refused ??? ~\n", "??? ~"},
        {{JF_LOGIN_UNAVAILABLE, "100%s %n"}, "unavailable 100%s %n\n", "100%s %n"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_login_answer_t answer = {0};
        const char *line = jf_login_format_answer(&cases[i].answer, *state);
        assert_string_equal(line, cases[i].line);
        jf_test_ok(jf_login_parse_answer(&answer, without_newline(line, *state), *state), line);
        assert_int_equal(answer.verdict, cases[i].answer.verdict);
        assert_string_equal(answer.reason, cases[i].reason);
    }
}

static void test_wrong_answers_are_refused(void **state)
{
    static const char *const lines[] = {
        "",          " ",         "accept",    "accepted\n", "accepted\r", "accepted\tx",
        "acceptedx", "Accepted",  "ACCEPTED",  " accepted",  "refuse",     "unavailabl",
        "yes",       "accepted,", "refused\n", "OK",         "\xFF\xFE",   "HTTP/1.1 200 OK",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(lines); i++) {
        jf_login_answer_t answer = {JF_LOGIN_REFUSED, "untouched"};
        jf_test_refused(jf_login_parse_answer(&answer, lines[i], *state), JF_ERR_INVALID, lines[i]);
        assert_int_equal(answer.verdict, JF_LOGIN_REFUSED);
        assert_string_equal(answer.reason, "untouched");
    }
}

/* A foreign server's words are in it, and it may have many. */
static void test_a_long_reason_still_makes_a_line(void **state)
{
    jf_login_answer_t answer = {JF_LOGIN_UNAVAILABLE,
                                jf_test_repeat("offered: ", 'z', 65000, "", *state)};
    const char *line = jf_login_format_answer(&answer, *state);

    assert_int_equal(strncmp(line, "unavailable offered: zzz", 24), 0);
    assert_string_equal(line + strcspn(line, "\n"), "\n");
    assert_true(strlen(line) <= JF_LOGIN_LINE_BYTES_MAX);
}

/* ---- wiping ---- */

static void test_passwords_are_wiped(void **state)
{
    const char *jid;
    jf_secret_watch_t question = {0};
    jf_secret_watch_t password = {0};

    apr_pool_t *pool = jf_secret_watched_pool(&question, *state);
    question.text = jf_login_format_question(JID, PASSWORD, pool);
    question.length = strlen(question.text);
    char *line = without_newline(question.text, *state);
    apr_pool_destroy(pool);
    assert_true(question.is_wiped);

    pool = jf_secret_watched_pool(&password, *state);
    jf_test_ok(jf_login_parse_question(&jid, &password.text, line, pool), line);
    password.length = strlen(PASSWORD);
    assert_string_equal(password.text, PASSWORD);
    apr_pool_destroy(pool);
    assert_true(password.is_wiped);
}

/* ---- a helper ---- */

#define PIECES_MAX 4

/** What the helper does: a thread that uses none of cmocka's assertions. */
typedef struct helper_t {
    apr_interval_time_t late_us; /**< before it listens */
    pthread_t thread;
    const char *pieces[PIECES_MAX]; /**< of the answer, 20 ms apart */
    int is_deaf;                    /**< does not wait for the question */
    int listener;
    struct sockaddr_un address;
    char question[JF_LOGIN_LINE_BYTES_MAX + 1];
} helper_t;

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return address;
}

static int start_listening(helper_t *helper)
{
    return bind(helper->listener, (struct sockaddr *)&helper->address, sizeof(helper->address)) ==
               0 &&
           listen(helper->listener, 5) == 0;
}

static void read_question(helper_t *helper, int fd)
{
    size_t length = 0;
    while (length + 1 < sizeof(helper->question) && !strchr(helper->question, '\n')) {
        ssize_t got = recv(fd, helper->question + length, sizeof(helper->question) - 1 - length, 0);
        if (got <= 0) {
            return;
        }
        length += (size_t)got;
    }
}

static void *help(void *data)
{
    helper_t *helper = data;
    if (helper->late_us > 0) {
        apr_sleep(helper->late_us);
        start_listening(helper);
    }
    int fd = accept(helper->listener, NULL, NULL);
    if (!helper->is_deaf) {
        read_question(helper, fd);
    }
    for (int i = 0; i < PIECES_MAX && helper->pieces[i]; i++) {
        apr_sleep(i > 0 ? apr_time_from_msec(20) : 0);
        send(fd, helper->pieces[i], strlen(helper->pieces[i]), MSG_NOSIGNAL);
    }
    close(fd);
    return NULL;
}

static void start(helper_t *helper, const char *path)
{
    helper->address = address_of(path);
    helper->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(helper->listener >= 0);
    if (helper->late_us == 0) {
        assert_true(start_listening(helper));
    }
    assert_int_equal(pthread_create(&helper->thread, NULL, help, helper), 0);
}

static void stop(helper_t *helper)
{
    pthread_join(helper->thread, NULL);
    close(helper->listener);
    unlink(helper->address.sun_path);
}

/* ---- asking ---- */

/** The path of a socket that is not there, in a new directory. */
static const char *new_path(apr_pool_t *pool)
{
    const char *parent;
    assert_int_equal(apr_temp_dir_get(&parent, pool), APR_SUCCESS);
    char *directory = apr_pstrcat(pool, parent, "/t_login.XXXXXX", NULL);
    assert_non_null(mkdtemp(directory));
    return apr_pstrcat(pool, directory, "/socket", NULL);
}

static void remove_directory(const char *path, apr_pool_t *pool)
{
    unlink(path);
    rmdir(apr_pstrmemdup(pool, path, (apr_size_t)(strrchr(path, '/') - path)));
}

/** Asks a helper that does as it is told. */
static jf_err_t *ask(jf_login_answer_t *answer, helper_t *helper, apr_pool_t *pool)
{
    const char *path = new_path(pool);
    apr_time_t begin = apr_time_now();
    start(helper, path);
    jf_err_t *err = jf_login_ask(answer, path, JID, PASSWORD, pool);
    stop(helper);
    assert_true(apr_time_now() - begin < apr_time_from_sec(5));
    remove_directory(path, pool);
    return err;
}

static void check_question(const helper_t *helper, apr_pool_t *pool)
{
    const char *jid = NULL;
    const char *password = NULL;
    const char *line = without_newline(helper->question, pool);
    jf_test_ok(jf_login_parse_question(&jid, &password, line, pool), line);
    assert_string_equal(jid, JID);
    assert_string_equal(password, PASSWORD);
}

static void test_asking(void **state)
{
    const char *most = jf_test_repeat("refused ", 'x', JF_LOGIN_LINE_BYTES_MAX - 9, "\n", *state);
    const struct {
        helper_t helper;
        jf_login_verdict_t verdict;
        const char *reason;
    } cases[] = {
        {{.pieces = {"accepted\n"}}, JF_LOGIN_ACCEPTED, ""},
        {{.pieces = {"refused not-authorized\n"}}, JF_LOGIN_REFUSED, "not-authorized"},
        {{.pieces = {"unavailable no DNS\n"}}, JF_LOGIN_UNAVAILABLE, "no DNS"},
        {{.pieces = {"a", "ccep", "ted", "\n"}}, JF_LOGIN_ACCEPTED, ""},
        {{.pieces = {"refused", " ", "b c\n"}}, JF_LOGIN_REFUSED, "b c"},
        {{.pieces = {"refused x\naccepted\n"}}, JF_LOGIN_REFUSED, "x"},
        {{.pieces = {"refused x\n", "accepted\n"}}, JF_LOGIN_REFUSED, "x"},
        {{.pieces = {most}}, JF_LOGIN_REFUSED, apr_pstrmemdup(*state, most + 8, strlen(most) - 9)},
        {{.late_us = apr_time_from_msec(200), .pieces = {"accepted\n"}}, JF_LOGIN_ACCEPTED, ""},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_login_answer_t answer = {JF_LOGIN_UNAVAILABLE, NULL};
        helper_t helper = cases[i].helper;
        jf_test_ok(ask(&answer, &helper, *state), cases[i].reason);
        assert_int_equal(answer.verdict, cases[i].verdict);
        assert_string_equal(answer.reason, cases[i].reason);
        check_question(&helper, *state);
    }
}

/* Whoever goes without a whole answer has given none. */
static void test_a_helper_that_goes(void **state)
{
    const char *longest = jf_test_repeat("accepted ", 'x', JF_LOGIN_LINE_BYTES_MAX, "\n", *state);
    const helper_t cases[] = {
        {.pieces = {NULL}},
        {.is_deaf = 1},
        {.pieces = {"accepted"}},
        {.pieces = {"acc", "epted"}},
        {.is_deaf = 1, .pieces = {"refused x"}},
        {.pieces = {longest}},
        {.pieces = {"refused ", longest}},
        {.late_us = apr_time_from_msec(50)},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_login_answer_t answer = {JF_LOGIN_ACCEPTED, ""};
        helper_t helper = cases[i];
        jf_test_ok(ask(&answer, &helper, *state), "no answer");
        assert_int_equal(answer.verdict, JF_LOGIN_UNAVAILABLE);
        assert_true(strlen(answer.reason) > 0);
    }
}

static void test_garbage_is_never_accepted(void **state)
{
    static const char *const answers[] = {
        "\n",           "accepted.\n", "\xFF\x01\n", " accepted\n", "HTTP/1.1 200 OK\r\n\r\n",
        "\naccepted\n", "ACCEPTED\n"};

    for (size_t i = 0; i < JF_TEST_COUNT(answers); i++) {
        jf_login_answer_t answer = {JF_LOGIN_UNAVAILABLE, "untouched"};
        helper_t helper = {.pieces = {answers[i]}};
        jf_err_t *err = ask(&answer, &helper, *state);
        assert_int_equal(answer.verdict, JF_LOGIN_UNAVAILABLE);
        assert_true(err || strlen(answer.reason) > 0);
    }
}

/** Fails unless a question to @a path is in vain, after the time of a restart. */
static void expect_nobody(const char *path, apr_pool_t *pool)
{
    jf_login_answer_t answer = {JF_LOGIN_ACCEPTED, ""};
    apr_time_t begin = apr_time_now();
    jf_test_ok(jf_login_ask(&answer, path, JID, PASSWORD, pool), path);
    apr_interval_time_t took_us = apr_time_now() - begin;
    assert_int_equal(answer.verdict, JF_LOGIN_UNAVAILABLE);
    assert_true(strlen(answer.reason) > 0);
    assert_true(took_us >= apr_time_from_msec(1400) && took_us < apr_time_from_sec(5));
}

static void test_nobody_listens(void **state)
{
    const char *path = new_path(*state);
    struct sockaddr_un address = address_of(path);

    expect_nobody(path, *state);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd); /* leaves the file, as a helper that was killed does */
    expect_nobody(path, *state);
    remove_directory(path, *state);
}

/* One that is stopped accepts nothing; once its backlog is full, connect(2) would wait for ever. */
static void test_a_helper_that_hangs(void **state)
{
    const char *path = new_path(*state);
    struct sockaddr_un address = address_of(path);
    int waiting[8];
    int count = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 0), 0);
    do {
        assert_true(count < (int)JF_TEST_COUNT(waiting));
        waiting[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    } while (connect(waiting[count++], (struct sockaddr *)&address, sizeof(address)) == 0);
    expect_nobody(path, *state);
    while (count > 0) {
        close(waiting[--count]);
    }
    close(fd);
    remove_directory(path, *state);
}

static void test_paths_that_cannot_be_sockets(void **state)
{
    jf_login_answer_t answer = {JF_LOGIN_UNAVAILABLE, "untouched"};
    struct sockaddr_un address;
    const char *longest = jf_test_repeat("/", 'x', sizeof(address.sun_path) - 2, "", *state);
    const char *too_long = jf_test_repeat("/", 'x', sizeof(address.sun_path) - 1, "", *state);

    expect_nobody(longest, *state);
    jf_test_refused(jf_login_ask(&answer, too_long, JID, PASSWORD, *state), JF_ERR_IO, too_long);
    too_long = jf_test_repeat("/", 'x', 1000000, "", *state);
    jf_test_refused(jf_login_ask(&answer, too_long, JID, PASSWORD, *state), JF_ERR_IO, "1 MB");
    jf_test_refused(jf_login_ask(&answer, "/dev/null/socket", JID, PASSWORD, *state), JF_ERR_IO,
                    "below a file");
    assert_string_equal(answer.reason, "untouched");
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_question),
    JF_TEST(test_questions_come_back),
    JF_TEST(test_the_longest_question_fits),
    JF_TEST(test_wrong_questions_are_refused),
    JF_TEST(test_answers),
    JF_TEST(test_wrong_answers_are_refused),
    JF_TEST(test_a_long_reason_still_makes_a_line),
    JF_TEST(test_passwords_are_wiped),
    JF_TEST(test_asking),
    JF_TEST(test_a_helper_that_goes),
    JF_TEST(test_garbage_is_never_accepted),
    JF_TEST(test_nobody_listens),
    JF_TEST(test_a_helper_that_hangs),
    JF_TEST(test_paths_that_cannot_be_sockets),
};

JF_TEST_MAIN(tests)
