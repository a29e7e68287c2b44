"""nginx, which decides nothing: a proxy to measure beside, and the upstream's door with TLS."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from pointsman.bench import certificate
from pointsman.bench.systems import Place, System, Upstream, free_port

MISSING = "nginx is not installed, so its rows are empty ('apt-get install nginx-light' or 'brew install nginx')."
_ALSO = "/usr/sbin:/usr/local/sbin:/opt/homebrew/bin"


def program() -> str | None:
    """Where it is, if it is installed."""
    return shutil.which("nginx") or shutil.which("nginx", path=_ALSO)


def with_tls(place: Place, plain: Upstream, found: str) -> Upstream:
    """The same upstream, behind TLS as well."""
    port, (trusted, key) = free_port(), certificate.make(place.folder)
    server = _SERVER.format(
        listen=f"{port} ssl", more=f"ssl_certificate {trusted}; ssl_certificate_key {key};", to="http://mock"
    )
    _start(place, "tls", found, _UPSTREAM.format(name="mock", port=plain.port) + server, port)
    return msgspec.structs.replace(plain, tls_port=port, ca_file=trusted)


def proxy(place: Place, upstream: Upstream, found: str) -> System:
    """One worker with kept connections; its `tls` port leads to the upstream's own."""
    ports = free_port(), free_port()
    servers = [_UPSTREAM.format(name="mock", port=upstream.port)]
    servers.append(_SERVER.format(listen=ports[0], more="", to="http://mock"))
    servers.append(_UPSTREAM.format(name="secured", port=upstream.tls_port))
    trust = f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {upstream.ca_file}; proxy_ssl_name localhost;"
    servers.append(_SERVER.format(listen=ports[1], more=trust, to="https://secured"))
    return msgspec.structs.replace(_start(place, "nginx", found, "".join(servers), ports[0]), tls=ports[1])


def _start(place: Place, name: str, found: str, servers: str, port: int) -> System:
    folder = place.folder / name
    folder.mkdir()
    conf = folder / "nginx.conf"
    conf.write_text(_conf(folder, servers))
    return place.start(name, [found, "-p", str(folder), "-c", str(conf)], port)[0]


def _conf(folder: Path, servers: str) -> str:
    user = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"  {kind}_temp_path {folder / kind};" for kind in kinds)
    return _CONF.format(user=user, folder=folder, temporary=temporary, servers=servers)


_CONF = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
{temporary}
  client_max_body_size 64m;
  client_body_buffer_size 256k;
  keepalive_requests 100000000;
{servers}}}
"""
_UPSTREAM = """\
  upstream {name} {{ server 127.0.0.1:{port}; keepalive 64; keepalive_requests 100000000; }}
"""
_SERVER = """\
  server {{
    listen 127.0.0.1:{listen};
    {more}
    location / {{
      proxy_pass {to};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
"""
