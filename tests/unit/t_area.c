#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_area.h"

#define ROMEO "romeo@montague.tld"
/* As the real ejabberd 23.01 writes it into URLs. */
#define ROMEO_SHA1 "43feddb25776a343c69835c7e79dc2c7f59598a6"

static void test_names_that_people_type(void **state)
{
    static const struct {
        const char *text;
        const char *name;
    } cases[] = {
        {"alice@example.org", "alice@example.org"},
        {"ALICE@Example.ORG.", "alice@example.org"},
        {"a@[2001:DB8::1]", "a@[2001:db8::1]"},
        {"sha1:" ROMEO_SHA1, "sha1:" ROMEO_SHA1},
        {"sha1:43FEDDB25776A343C69835C7E79DC2C7F59598A6", "sha1:" ROMEO_SHA1},
        {"node:alice", "node:alice"},
        {"node:Alice_B", "node:Alice_B"},
        {"node:\u00FC", "node:\u00FC"},
        {"node:sha1:x", "node:sha1:x"},
        {"slots:prosody", "slots:prosody"},
        {"slots:Slot secret 1.2", "slots:Slot secret 1.2"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *name = NULL;
        jf_test_ok(jf_area_prepare(&name, cases[i].text, *state), cases[i].text);
        assert_string_equal(name, cases[i].name);
        jf_test_ok(jf_area_prepare(&name, name, *state), name);
        assert_string_equal(name, cases[i].name);
    }
}

static void test_other_names_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "alice",
        "alice@",
        "@example.org",
        "alice@example.org/x",
        "sha1",
        "sha1:",
        "sha1:43feddb25776a343c69835c7e79dc2c7f59598a",
        "sha1:43feddb25776a343c69835c7e79dc2c7f59598a60",
        "sha1:43feddb25776a343c69835c7e79dc2c7f59598ag",
        "sha1: 43feddb25776a343c69835c7e79dc2c7f59598a6",
        "sha1:" ROMEO_SHA1 "@montague.tld",
        "sha1:" ROMEO,
        "SHA1:" ROMEO_SHA1,
        "sha256:" ROMEO_SHA1,
        "node:",
        "node:.",
        "node:..",
        "node:a/b",
        "node:/",
        "node:alice@example.org",
        "node:a\nb",
        "node:\x7F",
        "node:\xFF",
        "node:a\u202Eb",
        "Node:alice",
        "slots:",
        "slots:..",
        "slots:a/b",
        "slots:a@b",
        "slots:a\x1B[2J",
        "slot:x",
        ":x",
        " node:x",
    };
    const char *longer = jf_test_repeat("node:", 'a', 256, "", *state);
    const char *name = "untouched";

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        jf_test_refused(jf_area_prepare(&name, texts[i], *state), JF_ERR_INVALID, texts[i]);
    }
    jf_test_refused(jf_area_prepare(&name, longer, *state), JF_ERR_INVALID, longer);
    assert_string_equal(name, "untouched");
}

static void test_hash(void **state)
{
    assert_string_equal(jf_area_sha1(ROMEO, *state), ROMEO_SHA1);
    assert_string_equal(jf_area_sha1("abc", *state), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_int_equal(strlen(jf_area_sha1("\u00FC@example.org", *state)), JF_AREA_SHA1_CHARS);
}

static void test_hash_in_a_name(void **state)
{
    static const char *const others[] = {
        ROMEO,
        ROMEO_SHA1,
        "sha1:",
        "node:" ROMEO_SHA1,
        "node:sha1:x",
        "slots:sha1",
        "sha1:" ROMEO,
        "sha1:" ROMEO_SHA1 "0",
        "sha1@sha1.de",
        "xsha1:" ROMEO_SHA1,
        "",
    };
    const char *name = "sha1:" ROMEO_SHA1;
    (void)state;

    assert_ptr_equal(jf_area_hash(name), name + strlen("sha1:"));
    for (size_t i = 0; i < JF_TEST_COUNT(others); i++) {
        if (jf_area_hash(others[i])) {
            fail_msg("\"%s\" has a hash", others[i]);
        }
    }
}

static void test_jids(void **state)
{
    (void)state;
    assert_true(jf_area_is_jid(ROMEO));
    assert_true(jf_area_is_jid("a@[2001:db8::1]"));
    assert_false(jf_area_is_jid("sha1:" ROMEO_SHA1));
    assert_false(jf_area_is_jid("node:romeo"));
    assert_false(jf_area_is_jid("slots:prosody"));
}

static void test_first_segment_of_ejabberd(void **state)
{
    static const struct {
        const char *segment;
        const char *domain;
        const char *name;
    } cases[] = {
        {ROMEO_SHA1, NULL, "sha1:" ROMEO_SHA1},
        {ROMEO_SHA1, "montague.tld", "sha1:" ROMEO_SHA1},
        {"romeo", "montague.tld", ROMEO},
        {"romeo", NULL, "node:romeo"},
        {"r.o-m1", "montague.tld", "r.o-m1@montague.tld"},
        {"j\u00FCrgen", "montague.tld", "j\u00FCrgen@montague.tld"},
        {"romeo_m", "montague.tld", "node:romeo_m"}, /* romeo_m, romeo+m, romeo%m ... */
        {"_", "montague.tld", "node:_"},
        /* Servers write localparts prepared: whatever this is, nobody is called so. */
        {"Romeo", "montague.tld", "node:Romeo"},
        {"\uFF52omeo", "montague.tld", "node:\uFF52omeo"},
        {"ju\u0308rgen", "montague.tld", "node:ju\u0308rgen"},
        {"ro meo", "montague.tld", "node:ro meo"},
        {"ro:meo", "montague.tld", "node:ro:meo"},
        {"43FEDDB25776A343C69835C7E79DC2C7F59598A6", "montague.tld",
         "node:43FEDDB25776A343C69835C7E79DC2C7F59598A6"},
        {"43feddb25776a343c69835c7e79dc2c7f59598a", "montague.tld",
         "43feddb25776a343c69835c7e79dc2c7f59598a@montague.tld"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *prepared = NULL;
        const char *name = jf_area_of_ejabberd(cases[i].segment, cases[i].domain, *state);
        assert_string_equal(name, cases[i].name);
        jf_test_ok(jf_area_prepare(&prepared, name, *state), name);
        assert_string_equal(prepared, name);
    }
}

static void test_files_of_secrets(void **state)
{
    static const struct {
        const char *file;
        const char *name;
    } cases[] = {
        {"/etc/jabberfiles/prosody.secret", "slots:prosody"},
        {"/etc/jabberfiles/prosody", "slots:prosody"},
        {"/etc/jabber.d/prosody", "slots:prosody"},
        {"prosody.secret", "slots:prosody"},
        {"a.b.secret", "slots:a.b"},
        {"x/.secret", "slots:.secret"},
        {"x/.secret.txt", "slots:.secret"},
        {"x/prosody.", "slots:prosody"},
        {"x/my secret.txt", "slots:my secret"},
        {"x/upload@example.org.key", "slots:upload_example.org"}, /* would look like a JID */
        {"x/schl\u00FCssel", "slots:schl__ssel"},
        {"x/\xFF\n\x7F.key", "slots:___"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *prepared = NULL;
        const char *name = jf_area_of_secret(cases[i].file, *state);
        assert_string_equal(name, cases[i].name);
        jf_test_ok(jf_area_prepare(&prepared, name, *state), name);
        assert_string_equal(prepared, name);
        assert_false(jf_area_is_jid(name));
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_names_that_people_type),
    JF_TEST(test_other_names_are_refused),
    JF_TEST(test_hash),
    JF_TEST(test_hash_in_a_name),
    JF_TEST(test_jids),
    JF_TEST(test_first_segment_of_ejabberd),
    JF_TEST(test_files_of_secrets),
};

JF_TEST_MAIN(tests)
