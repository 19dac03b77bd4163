# JF_ADD_CFLAG(FLAG): adds FLAG to AM_CFLAGS if the compiler knows it.
AC_DEFUN([JF_ADD_CFLAG], [
AS_VAR_PUSHDEF([jf_cache], [jf_cv_cflag_$1])
AC_CACHE_CHECK([whether $CC accepts $1], [jf_cache], [
  jf_saved_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS -Werror $1"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
    [AS_VAR_SET([jf_cache], [yes])], [AS_VAR_SET([jf_cache], [no])])
  CFLAGS=$jf_saved_CFLAGS
])
AS_VAR_IF([jf_cache], [yes], [AS_VAR_APPEND([AM_CFLAGS], [" $1"])])
AS_VAR_POPDEF([jf_cache])
])

# JF_COMPILER_FLAGS: the language and the warnings, in AM_CFLAGS; --enable-werror.
AC_DEFUN([JF_COMPILER_FLAGS], [
AM_CFLAGS="-std=gnu11"
m4_foreach_w([jf_flag], [
    -Wall
    -Wextra
    -Wdate-time
    -Wformat=2
    -Wno-format-nonliteral
    -Wimplicit-fallthrough
    -Wmissing-prototypes
    -Wold-style-definition
    -Wpointer-arith
    -Wshadow
    -Wstrict-prototypes
    -Wundef
    -Wvla
    -Wwrite-strings
  ], [JF_ADD_CFLAG(m4_defn([jf_flag]))])
AC_ARG_ENABLE([werror],
  [AS_HELP_STRING([--enable-werror], [warnings stop the build (developers and CI)])],
  [], [enable_werror=no])
AS_VAR_IF([enable_werror], [yes], [AM_CFLAGS="$AM_CFLAGS -Werror"])
AC_SUBST([AM_CFLAGS])
])

# JF_SANITIZERS: --enable-sanitizers adds ASan and UBSan to AM_CFLAGS and AM_LDFLAGS.
AC_DEFUN([JF_SANITIZERS], [
AC_ARG_ENABLE([sanitizers],
  [AS_HELP_STRING([--enable-sanitizers],
    [AddressSanitizer and UndefinedBehaviorSanitizer, for tests only])],
  [], [enable_sanitizers=no])
AS_VAR_IF([enable_sanitizers], [yes], [
  jf_sanitizers="-fsanitize=address,undefined"
  AM_CFLAGS="$AM_CFLAGS $jf_sanitizers -fno-omit-frame-pointer -fno-sanitize-recover=undefined"
  AM_LDFLAGS="$jf_sanitizers"
  jf_saved_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS $jf_sanitizers"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [],
    [AC_MSG_ERROR([$CC cannot link with $jf_sanitizers])])
  CFLAGS=$jf_saved_CFLAGS
], [enable_sanitizers=no])
AC_SUBST([AM_LDFLAGS])
AC_SUBST([enable_sanitizers])
])
