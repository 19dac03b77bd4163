# JF_HTTPD: finds apxs, and by it httpd's headers, module directory and program.
#
# Of what apxs knows only INCLUDEDIR, EXTRA_CPPFLAGS, LIBEXECDIR and the program's place
# are taken: its CFLAGS and LDFLAGS belong to the compiler that built httpd, not to ours.
AC_DEFUN([JF_HTTPD], [
AC_ARG_WITH([apxs],
  [AS_HELP_STRING([--with-apxs=PATH], [httpd's extension tool (default: search PATH)])],
  [], [with_apxs=yes])
AS_CASE([$with_apxs],
  [yes], [AC_PATH_PROGS([APXS], [apxs apxs2], [], [$PATH:/usr/sbin:/usr/local/apache2/bin])],
  [no], [AC_MSG_ERROR([the module cannot be built without apxs])],
  [APXS=$with_apxs])
AS_IF([test -z "$APXS" || test ! -x "$APXS"],
  [AC_MSG_ERROR([apxs not found: install apache2-dev or give --with-apxs=PATH])])
AC_SUBST([APXS])

jf_httpd_includedir=`$APXS -q INCLUDEDIR`
AS_IF([test ! -f "$jf_httpd_includedir/httpd.h"],
  [AC_MSG_ERROR([$APXS names "$jf_httpd_includedir" but httpd.h is not there])])
# -isystem: warnings about httpd's own headers are not ours to mend
HTTPD_CPPFLAGS="-isystem $jf_httpd_includedir `$APXS -q EXTRA_CPPFLAGS`"
AC_SUBST([HTTPD_CPPFLAGS])

HTTPD_MODULES_DIR=`$APXS -q LIBEXECDIR`
AC_SUBST([HTTPD_MODULES_DIR])
AC_ARG_WITH([moduledir],
  [AS_HELP_STRING([--with-moduledir=DIR], [install the module there (default: as apxs says)])],
  [], [with_moduledir=yes])
AS_CASE([$with_moduledir],
  [yes], [moduledir=$HTTPD_MODULES_DIR],
  [no], [AC_MSG_ERROR([the module needs a place: --with-moduledir=DIR])],
  [moduledir=$with_moduledir])
AC_SUBST([moduledir])

AC_ARG_WITH([httpd],
  [AS_HELP_STRING([--with-httpd=PATH], [server program of tests and demo (default: as apxs says)])],
  [], [with_httpd=yes])
AS_CASE([$with_httpd],
  [yes], [HTTPD=`$APXS -q SBINDIR`/`$APXS -q PROGNAME`],
  [no], [HTTPD=],
  [HTTPD=$with_httpd])
AS_IF([test ! -x "$HTTPD"],
  [AC_MSG_WARN([no httpd program at "$HTTPD": "make check-httpd" will fail])])
AC_SUBST([HTTPD])
AC_PATH_PROG([HTPASSWD], [htpasswd], [htpasswd])
])
