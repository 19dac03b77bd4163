# JF_APR_WITHOUT_LDAP: apr-util's .pc names the LDAP libraries of its own plug-in;
# linking them would load them into every httpd for nothing.
AC_DEFUN([JF_APR_WITHOUT_LDAP], [
APR_LIBS=`AS_ECHO(["$APR_LIBS"]) | $SED 's/-lldap\(_r\)\{0,1\}//g; s/-llber//g'`
])

# JF_UNISTRING: sets UNISTRING_LIBS. The library has no .pc file.
AC_DEFUN([JF_UNISTRING], [
jf_saved_LIBS=$LIBS
LIBS=
AC_CHECK_HEADER([uninorm.h], [],
  [AC_MSG_ERROR([uninorm.h not found: install libunistring-dev])])
AC_SEARCH_LIBS([u8_normalize], [unistring], [],
  [AC_MSG_ERROR([libunistring not found: install libunistring-dev])])
UNISTRING_LIBS=$LIBS
LIBS=$jf_saved_LIBS
AC_SUBST([UNISTRING_LIBS])
])
