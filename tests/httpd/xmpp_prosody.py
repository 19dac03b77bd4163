"""A private Prosody."""

import hashlib
import hmac
import os
import re
import unicodedata

from xmpp_server import LOCKABLE_HOST, PLAIN_HOST, PLAIN_MECHANISM_HOST, XmppServer

ITERATIONS = 4096

_CONFIG = """\
pidfile = "{directory}/prosody.pid"
data_path = "{directory}/data"
certificates = "{directory}/certificates"
plugin_paths = {{ "{directory}/plugins" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {c2s} }}
c2s_direct_tls_ports = {{ {direct} }}
c2s_direct_tls_ssl = {{ key = "{key}"; certificate = "{certificate}" }}
modules_enabled = {{ "disco"; "roster"; "saslauth"; "tls"; "ping"; "witness" }}
modules_disabled = {{ "s2s" }}
authentication = "internal_hashed"
password_hash = "SHA-256"
storage = "internal"
log = {{ info = "*console" }}
{hosts}
"""

_HOST = """\
VirtualHost "{host}"
    ssl = {{ key = "{key}"; certificate = "{certificate}" }}
    {lines}
"""

_HOST_LINES = {
    LOCKABLE_HOST: 'authentication = "lockable"',
    PLAIN_HOST: 'modules_disabled = { "tls" }\n    c2s_require_encryption = false\n'
                '    allow_unencrypted_plain_auth = true',
    PLAIN_MECHANISM_HOST: 'disable_sasl_mechanisms = { "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS" }',
}

# Global settings stand behind no host.
_COMPONENT_PORT = """\
VirtualHost "*"
    component_ports = {{ {component} }}
    component_interfaces = {{ "127.0.0.1" }}
"""

_COMPONENT = """\
Component "{name}"
    component_secret = "{secret}"
"""

# Prosody 0.12 has no switch that disables an account, but an authentication module can say that
# an account is disabled. This one does when the account has the key "locked".
_LOCKABLE = """\
local accounts = module:open_store("accounts");
local decode = require "util.hex".decode;
local new_sasl = require "util.sasl".new;

local function keys(_, name)
    local account = accounts:get(name);
    if not account then return nil; end
    return decode(account.stored_key), decode(account.server_key), account.iteration_count,
        account.salt, not account.locked;
end

module:provides("auth", {
    user_exists = function (name) return accounts:get(name) ~= nil; end;
    get_sasl_handler = function () return new_sasl(module.host, { scram_sha_256 = keys }); end;
});
"""

_WITNESS = """\
local function say(what, name) module:log("info", "witness: %s %s@%s", what, name, module.host); end

module:hook("authentication-success", function (event)
    say("accepted", event.session.username);
end, 100);
module:hook("authentication-failure", function (event)
    local sasl = event.session.sasl_handler;
    say("refused", sasl and sasl.username or "?");
end, 100);
module:hook("resource-bind", function (event) say("bound", event.session.username); end, 100);
"""


def _keys(password, salt):
    """(StoredKey, ServerKey) of RFC 5802 with SHA-256, in hexadecimal."""
    prepared = unicodedata.normalize("NFKC", password).encode()
    salted = hashlib.pbkdf2_hmac("sha256", prepared, salt.encode(), ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return (hashlib.sha256(client_key).hexdigest(),
            hmac.digest(salted, b"Server Key", "sha256").hex())


def _file_name(text):
    """How Prosody's internal storage writes a name."""
    return re.sub(rb"[^A-Za-z0-9]", lambda byte: b"%%%02x" % byte.group()[0],
                  text.encode()).decode("ascii")


class Prosody(XmppServer):
    """Accounts are files that Prosody reads at each login, so they are written as such: that
    works at once, also when Prosody is down."""

    name = "prosody"
    account = "prosody"
    event_patterns = {"connected": "(Client connected)", "accepted": r"witness: accepted (\S+)",
                      "refused": r"witness: refused (\S+)", "bound": r"witness: bound (\S+)"}

    def _directories(self):
        return ("data", "plugins")

    def _configure(self):
        for name, text in (("auth_lockable", _LOCKABLE), ("witness", _WITNESS)):
            (self.directory / "plugins" / f"mod_{name}.lua").write_text(text, encoding="utf-8")
        pairs = {**self.certificates.pairs,
                 "wrongname.example": self.certificates.pairs["example.org"]}
        files = {host: {"key": self._own_copy(pair.key),
                        "certificate": self._own_copy(pair.certificate)}
                 for host, pair in pairs.items()}
        hosts = "".join(_HOST.format(host=host, lines=_HOST_LINES.get(host, ""), **files[host])
                        for host in self.hosts or pairs)
        text = _CONFIG.format(directory=self.directory, hosts=hosts, **self.ports,
                              **files["example.org"])
        (self.directory / "prosody.cfg.lua").write_text(text + self._component_lines() + self.more,
                                                        encoding="utf-8")

    def _component_lines(self):
        if not self.components:
            return ""
        components = (_COMPONENT.format(name=name, secret=secret)
                      for name, secret in self.components.items())
        return _COMPONENT_PORT.format(**self.ports) + "".join(components)

    def _command(self):
        return ["prosody", "-F", "--config", str(self.directory / "prosody.cfg.lua")]

    def add_user(self, user, locked=False):
        salt = os.urandom(12).hex()
        stored_key, server_key = _keys(user.password, salt)
        path = self._account_path(user)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(f"""return {{
            stored_key = "{stored_key}"; server_key = "{server_key}"; salt = "{salt}";
            iteration_count = {ITERATIONS}; {"locked = true;" if locked else ""}
        }};""", encoding="ascii")
        for made in (path.parent.parent, path.parent, new):
            self._chown(made)
        new.rename(path)

    def change_password(self, user):
        """Sets the password of `user`, who has another one."""
        self.add_user(user)

    def disable_user(self, user):
        self.add_user(user, locked=True)

    def remove_user(self, user):
        self._account_path(user).unlink()

    def _account_path(self, user):
        return self.directory / "data" / _file_name(user.host) / "accounts" \
            / f"{_file_name(user.localpart)}.dat"
