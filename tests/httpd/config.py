"""Writes httpd.conf for a private server: a site as a value, rendered to text."""

import dataclasses
import functools
import re
import subprocess
from pathlib import Path

from environment import server_account

# What a stock Debian server has enabled: the module must live with all of it.
STOCK_MODULES = (
    "unixd", "log_config", "logio", "version", "watchdog", "access_compat", "alias", "auth_basic",
    "authn_core", "authn_file", "authz_core", "authz_host", "authz_user", "autoindex", "deflate",
    "dir", "env", "filter", "mime", "negotiation", "reqtimeout", "setenvif", "status",
)

# Room for 64 busy requests without reaching any limit, spread over several children.
THREADED_TUNING = """\
StartServers {children}
ServerLimit {server_limit}
ThreadsPerChild 16
MinSpareThreads {spare}
MaxSpareThreads 128
MaxRequestWorkers {workers}
"""
PREFORK_TUNING = """\
StartServers 8
MinSpareServers 4
MaxSpareServers 96
ServerLimit 128
MaxRequestWorkers 128
"""

ACCESS_LOG = 'CustomLog logs/access.log "%h %u \\"%r\\" %>s %b"'

BASE = "/files"


@dataclasses.dataclass(frozen=True)
class Site:
    """What a test wants to be different from the plain site: `base_lines` stand in the <Location>
    of BASE, `inner_lines` after it, `server_lines` before it. `provider` has the arguments of
    AuthBasicProvider there, `listen` the address httpd listens at. `own_lines` replaces all lines
    about the module. Without `access_log` no request is logged."""

    mpm: str = "event"
    single_child: bool = False
    http2: bool = False
    certificates: object = None
    with_module: bool = True
    modules: tuple = ()
    store: str = "store"
    domains: tuple = ("example.org",)
    provider: str = "file"
    listen: str = "127.0.0.1"
    own_lines: str = ""
    access_log: bool = True
    server_lines: str = ""
    base_lines: str = ""
    inner_lines: str = ""


def base_location(path, users_file, lines="", require="jabber-access", provider="file"):
    """A <Location> that is a BASE with logins from `users_file`, or from another provider."""
    return f"""\
<Location "{path}">
    JabberFiles On
    AuthType Basic
    AuthName "Jabber ID"
    AuthBasicProvider {provider}
    AuthUserFile "{users_file}"
    Require {require}
    {lines}
</Location>
"""


@functools.lru_cache(maxsize=None)
def _built_in(httpd):
    listing = subprocess.run([httpd, "-l"], check=True, text=True, capture_output=True).stdout
    return frozenset(re.findall(r"^\s+(?:mod_)?(\w+)\.c$", listing, re.MULTILINE))


def _load_modules(env, site):
    lines = []
    extra = (("ssl", "socache_shmcb") if site.certificates else ()) \
        + (("http2",) if site.http2 else ())
    for name in dict.fromkeys((f"mpm_{site.mpm}", *STOCK_MODULES, *extra, *site.modules)):
        if name in _built_in(env.httpd):
            continue
        path = Path(env.httpd_modules_dir) / f"mod_{name}.so"
        if not path.exists():
            raise FileNotFoundError(f"httpd module {name} is missing: {path}")
        lines.append(f'LoadModule {name}_module "{path}"')
    if site.with_module:
        lines.append(f'LoadModule jabberfiles_module "{env.module}"')
    return "\n".join(lines)


def _tuning(site):
    if site.mpm == "prefork":
        return PREFORK_TUNING
    children = 1 if site.single_child else 4
    limit = 1 if site.single_child else 8
    return THREADED_TUNING.format(children=children, server_limit=limit, workers=16 * limit,
                                  spare=1 if site.single_child else 16)


def _tls_lines(site):
    lines = []
    if site.certificates:
        lines += ["SSLEngine On", f'SSLCertificateFile "{site.certificates.certificate}"',
                  f'SSLCertificateKeyFile "{site.certificates.key}"',
                  "SSLSessionCache shmcb:run/ssl-cache(512000)"]
    if site.http2:
        lines.append("Protocols h2 http/1.1")
    return "\n".join(lines)


def _jabberfiles_lines(site, root, users_file):
    if site.own_lines:
        return site.own_lines
    domains = "\n".join(f"JabberFilesDomain {domain}" for domain in site.domains)
    return f'JabberFilesStore "{root / site.store}"\n{domains}\n' \
        + base_location(BASE, users_file, site.base_lines, provider=site.provider) \
        + site.inner_lines


def render(env, site, root, port, users_file):
    """The text of httpd.conf for `site` with ServerRoot `root`."""
    account = server_account()
    user_lines = f"User {account[0]}\nGroup {account[1]}" if account else ""
    listen = f"Listen {site.listen}:{port}" + (" https" if site.certificates else "")
    return f"""\
Define ROOT "{root}"
ServerRoot "{root}"
DefaultRuntimeDir run
PidFile run/httpd.pid
{listen}
ServerName 127.0.0.1:{port}
{user_lines}
{_load_modules(env, site)}
{_tuning(site)}
ErrorLog logs/error.log
# Wrong logins are errors to mod_auth_basic, and daily bread to these tests.
LogLevel info auth_basic:crit {"jabberfiles:debug" if site.with_module else ""}
{ACCESS_LOG if site.access_log else ""}
TypesConfig /dev/null
KeepAliveTimeout 60
ExtendedStatus On
{_tls_lines(site)}
DocumentRoot "{root / 'htdocs'}"
<Directory />
    AllowOverride None
    Require all denied
</Directory>
<Directory "{root / 'htdocs'}">
    Require all granted
</Directory>
<Location "/server-status">
    SetHandler server-status
</Location>
{site.server_lines}
{_jabberfiles_lines(site, root, users_file) if site.with_module else ""}
"""
