# Turns SQL into a C header on standard output.
#
#   awk -v kind=statements -f sql2c.awk jf_statements.sql
#       A block starts with "-- STMT_NAME". Gives the enum jf_stmt_t with JF_STMT_NAME and
#       JF_STMT_COUNT and, where JF_STATEMENT_TEXTS is defined, jf_statement_texts[].
#   awk -v kind=schema -f sql2c.awk jf_schema.sql
#       A block starts with "-- SCHEMA n", n counting from 1. Gives jf_schema_versions[],
#       where element n - 1 leads from version n - 1 to n.
#
# Other lines that start with "--" are comments and are dropped.

function die(message)
{
    printf "%s:%d: %s\n", FILENAME, FNR, message > "/dev/stderr"
    failed = 1
    exit 1
}

# A line of SQL as C string literal. Escapes are put in by hand: awks differ in what
# a backslash means in the replacement of gsub.
function c_literal(line,    out, i, c)
{
    out = ""
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        if (c == "\\" || c == "\"")
            out = out "\\"
        if (c == "\t")
            c = "\\t"
        out = out c
    }
    return "\"" out "\\n\""
}

function finish_block()
{
    if (count == 0)
        return
    if (texts[count] == "")
        die("block \"" names[count] "\" holds no SQL")
}

function start_block(name)
{
    finish_block()
    if (name in seen)
        die("second block \"" name "\"")
    seen[name] = 1
    names[++count] = name
    texts[count] = ""
}

BEGIN {
    if (kind != "statements" && kind != "schema") {
        print "sql2c.awk: kind must be statements or schema" > "/dev/stderr"
        failed = 1
        exit 1
    }
}

{ sub(/\r$/, "") }

kind == "statements" && /^-- STMT_[A-Z0-9_]+$/ {
    if ($2 == "STMT_COUNT")
        die("the name STMT_COUNT is taken by the enum's last member")
    start_block($2)
    next
}

kind == "schema" && /^-- SCHEMA [0-9]+$/ {
    if ($3 + 0 != count + 1)
        die("SCHEMA " $3 " where SCHEMA " (count + 1) " is due")
    start_block($3)
    next
}

/^--/ || /^[ \t]*$/ { next }

{
    if (count == 0)
        die("SQL before the first block")
    texts[count] = texts[count] "\n        " c_literal($0)
}

function print_statements(    i)
{
    print "#ifndef JF_STATEMENTS_H"
    print "#define JF_STATEMENTS_H\n"
    print "typedef enum jf_stmt_t {"
    for (i = 1; i <= count; i++)
        print "    JF_" names[i] ","
    print "    JF_STMT_COUNT"
    print "} jf_stmt_t;\n"
    print "#endif\n"
    print "#ifdef JF_STATEMENT_TEXTS"
    print "static const char *const jf_statement_texts[JF_STMT_COUNT] = {"
    for (i = 1; i <= count; i++)
        print "    [JF_" names[i] "] =" texts[i] ","
    print "};"
    print "#endif"
}

function print_schema(    i)
{
    print "#ifndef JF_SCHEMA_SQL_H"
    print "#define JF_SCHEMA_SQL_H\n"
    print "static const char *const jf_schema_versions[] = {"
    for (i = 1; i <= count; i++)
        print "    [" (i - 1) "] =" texts[i] ","
    print "};\n"
    print "#endif"
}

END {
    if (failed)
        exit 1
    if (count == 0)
        die("no block found")
    finish_block()
    print "/* Made by sql2c.awk; edit the .sql file instead. */"
    if (kind == "statements")
        print_statements()
    else
        print_schema()
}
