"""A private ejabberd, without epmd and without Erlang distribution."""

import http.client
import itertools
import json
import subprocess

from records import wait_until
from xmpp_server import BAD_CERTIFICATE_HOSTS, PLAIN_HOST, XmppServer

_CONFIG = """\
loglevel: info
hosts: {hosts}
certfiles: {certificates}
ca_file: "{ca}"
s2s_access: none
acme: {{auto: false}}
auth_password_format: scram
disable_sasl_mechanisms: ["digest-md5", "X-OAUTH2"]
registration_timeout: infinity
listen:
  - {{port: {c2s}, ip: "127.0.0.1", module: ejabberd_c2s, access: all, shaper: none,
     starttls: true, starttls_required: true}}
  - {{port: {direct}, ip: "127.0.0.1", module: ejabberd_c2s, access: all, shaper: none, tls: true}}
  - {{port: {plain}, ip: "127.0.0.1", module: ejabberd_c2s, access: all, shaper: none}}
  - {{port: {api}, ip: "127.0.0.1", module: ejabberd_http,
     request_handlers: {{/api: mod_http_api}}}}
{component_lines}acl:
  local: {{user_regexp: ""}}
access_rules:
  local: {{allow: local}}
api_permissions:
  tests: {{who: {{ip: "127.0.0.0/8"}}, what: ["*"]}}
modules:
  mod_admin_extra: {{}}
  mod_disco: {{}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
"""

_COMPONENT_PORT = """\
  - {{port: {component}, ip: "127.0.0.1", module: ejabberd_service, access: all, hosts: {hosts}}}
"""

# As many schedulers as are needed, and none that waits busily.
_EMULATOR = ("-noinput", "+S", "2:2", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none")


def _libraries():
    """The directory that has ejabberd's Erlang code."""
    listing = subprocess.run(["dpkg", "-L", "ejabberd"], check=True, text=True,
                             capture_output=True).stdout
    beam = next(line for line in listing.splitlines() if line.endswith("/ebin/ejabberd.beam"))
    return beam.rsplit("/", 3)[0]


class Ejabberd(XmppServer):
    name = "ejabberd"
    account = "ejabberd"
    port_names = ("c2s", "direct", "plain", "api")
    event_patterns = {"connected": r"Accepted connection \S+ -> 127.0.0.1:(\d+)",
                      "accepted": r"Accepted c2s \S+ authentication for (\S+) by",
                      "refused": r"Failed c2s \S+ authentication (?:for (\S+) )?from",
                      "bound": r"Opened c2s session for ([^/]+)/"}

    def __init__(self, directory, certificates, **options):
        super().__init__(directory, certificates, **options)
        self._fences = itertools.count()

    def _directories(self):
        return ("database",)

    def _configure(self):
        certificates = [str(self._own_copy(pair.joined()))
                        for pair in dict.fromkeys(self.certificates.pairs.values())]
        # A host without a certificate of its own gets somebody else's.
        hosts = sorted(self.hosts or {*self.certificates.pairs, *BAD_CERTIFICATE_HOSTS})
        text = _CONFIG.format(hosts=json.dumps(hosts), certificates=json.dumps(certificates),
                              ca=self._own_copy(self.certificates.ca),
                              component_lines=self._component_lines(), **self.ports)
        if self.more:
            # What is said twice there, like "modules", adds up only if it is in another file.
            (self.directory / "more.yml").write_text(self.more, encoding="utf-8")
            text += "include_config_file: more.yml\n"
        (self.directory / "ejabberd.yml").write_text(text, encoding="utf-8")

    def _component_lines(self):
        if not self.components:
            return ""
        hosts = {name: {"password": secret} for name, secret in self.components.items()}
        return _COMPONENT_PORT.format(hosts=json.dumps(hosts), **self.ports)

    def _command(self):
        return ["erl", *_EMULATOR, "-mnesia", "dir", f'"{self.directory}/database"',
                "-s", "ejabberd"]

    def _variables(self):
        return {"ERL_LIBS": _libraries(), "ERL_CRASH_DUMP_BYTES": "0",
                "EJABBERD_CONFIG_PATH": str(self.directory / "ejabberd.yml"),
                "EJABBERD_LOG_PATH": str(self.directory / "ejabberd.log"),
                "CONTRIB_MODULES_PATH": str(self.directory / "modules")}

    def _is_ready(self):
        if not super()._is_ready():
            return False
        try:
            self._call("status")
            return True
        except (OSError, http.client.HTTPException, AssertionError):
            return False

    def domain_line(self, host="example.org", port=None, ca=True, **options):
        return super().domain_line(host, port or self._port_of(host), ca, **options)

    def domain_entry(self, host="example.org", port=None, ca=True, **options):
        return super().domain_entry(host, port or self._port_of(host), ca, **options)

    @staticmethod
    def _port_of(host):
        return "plain" if host == PLAIN_HOST else "c2s"

    def add_user(self, user):
        self._call("register", user=user.localpart, host=user.host, password=user.password)

    def change_password(self, user):
        """Sets the password of `user`, who has another one."""
        self._call("change_password", user=user.localpart, host=user.host,
                   newpass=user.password)

    def disable_user(self, user):
        self._call("ban_account", user=user.localpart, host=user.host, reason="a test")

    def remove_user(self, user):
        self._call("unregister", user=user.localpart, host=user.host)

    def _call(self, command, **arguments):
        """Runs a command of ejabberd's API."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["api"], timeout=30)
        try:
            connection.request("POST", f"/api/{command}", json.dumps(arguments),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode("utf-8")
        finally:
            connection.close()
        assert answer.status == 200, text
        return json.loads(text)

    def _subject(self, kind, text):
        if kind != "connected":
            return text
        return None if int(text) == self.ports["api"] else ""

    def _settle_log(self):
        # The log is written by a process of its own, in order.
        if self.process.poll() is not None:
            return
        fence = f"fence{next(self._fences)}"
        size_bytes = self._log.stat().st_size
        self._call("check_account", user=fence, host="example.org")
        wait_until(lambda: fence in self._text_from(size_bytes), 10,
                   "ejabberd's log does not go on")
